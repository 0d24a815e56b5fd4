import { beforeEach, describe, expect, it } from 'vitest';
import { continueEvent, schedulerInput, unfilledSchedulerInput } from '../support/events.ts';
import { loseAnswerOf, setUpHandler, shortOfTime } from '../support/handler.ts';
import { deletedIds } from '../support/purge.ts';
import { range } from '../support/rows.ts';

/** Enough for one batch. */
const suite = setUpHandler({ NIGHTSHIFT_HTTP_BUDGET_MS: '4000' });
const { call, coldStart, runOf, runs, send } = suite;

beforeEach(async () => {
  await suite.fill('app.orders', { due: 3_600, fresh: 4_000 });
  suite.slowDown();
});

const allDue = range(1, 3_600);
/** What the bus took of continuations, as attempts of the run. */
const asked = (runId: unknown) =>
  suite.bus.continues.map(({ detail }) => {
    expect(detail).toEqual({
      version: 1,
      job: 'retention-purge',
      runId,
      attempt: expect.any(Number),
    });
    return (detail as { attempt: number }).attempt;
  });
/** Lambda's retry comes after a minute. */
const aMinutePasses = () =>
  suite.sql`update nightshift.runs set finished_at = finished_at - interval '1 minute'`;

describe('a run that outlasts its time', () => {
  it('answers 202 and goes on by events, each row once, however often and late they come', async () => {
    const { bus } = suite;
    const first = await call();
    expect(first).toMatchObject({ statusCode: 202, body: { status: 'continued' } });
    const { runId } = first.body;
    expect(bus.names).toEqual(new Set(['nightshift-test']));
    expect(asked(runId)).toEqual([1]);
    expect((await deletedIds(suite.sql)).length).toBeGreaterThan(0);

    // Too early, then twice at once.
    await send(continueEvent({ runId, attempt: 2 }), shortOfTime());
    expect(bus.offered).toBe(1);
    const twice = await Promise.all([
      send(bus.continues[0], shortOfTime()),
      send(bus.continues[0], shortOfTime()),
    ]);
    expect(twice.map(({ id }) => id)).toEqual([runId, runId]);
    expect(asked(runId)).toEqual([1, 2]);

    // A copy before each new one, which asks for nothing.
    let status: string | undefined = 'continued';
    for (let event = 1; status === 'continued' && event < 8; event++) {
      const late = await send(bus.continues[event - 1], shortOfTime());
      expect(late).toMatchObject({ id: runId, status: 'continued' });
      expect(bus.offered).toBe(event + 1);
      ({ status } = await send(bus.continues[event], shortOfTime()));
    }
    expect(status).toBe('succeeded');
    const all = bus.continues;
    await aMinutePasses();
    for (const event of all.toReversed()) await send(event);
    expect(await deletedIds(suite.sql)).toEqual(allDue);
    expect(bus.continues).toEqual(all);
    // The last one said that the run is finished.
    expect(bus.offered).toBe(all.length + 1);
    expect(await runOf(runId)).toMatchObject({
      status: 'succeeded',
      trigger: 'http',
      attempt: all.length + 1,
      report: { rowsPurged: 3_600, rowsLeft: 0 },
    });
  });

  it('asks again, when the event that resumed it failed to and comes a second time', async () => {
    const { bus } = suite;
    const { runId } = (await call()).body;
    const [first] = bus.continues;
    bus.failNext(100);
    await expect(send(first, shortOfTime())).rejects.toMatchObject({ code: 'NS503' });
    expect(await runOf(runId)).toMatchObject({ status: 'continued', attempt: 2 });
    bus.failNext(0);

    // Not of what another event has to ask for, however late.
    await aMinutePasses();
    for (const attempt of [2, 3]) {
      await suite.sql`select nightshift.pause()`;
      await send(continueEvent({ runId, attempt }), shortOfTime());
      await suite.sql`select nightshift.unpause()`;
    }
    expect(asked(runId)).toEqual([1]);

    expect(await send(first, shortOfTime())).toMatchObject({ status: 'continued', attempt: 2 });
    expect(asked(runId)).toEqual([1, 2]);
    await send(bus.continues[1], shortOfTime());
    expect(asked(runId)).toEqual([1, 2, 3]);

    // Somebody has resumed it since: it is no matter of the old event any more.
    await aMinutePasses();
    await send(first, shortOfTime());
    expect(asked(runId)).toEqual([1, 2, 3]);
    suite.speedUp();
    expect(await send(bus.continues[2])).toMatchObject({ status: 'succeeded', attempt: 4 });
    expect(await deletedIds(suite.sql)).toEqual(allDue);
  });

  it('goes on when the answer of resume_run is lost', async () => {
    expect((await call()).statusCode).toBe(202);
    suite.speedUp();
    loseAnswerOf('resume_run');
    expect(await send(suite.bus.continues[0])).toMatchObject({ status: 'succeeded', attempt: 2 });
    expect(await deletedIds(suite.sql)).toEqual(allDue);
  });

  it('waits out a pause: the event is skipped, asks for nothing, and may come again', async () => {
    const { bus } = suite;
    expect((await call()).statusCode).toBe(202);
    await suite.sql`select nightshift.pause()`;
    expect(await send(bus.continues[0])).toMatchObject({ status: 'continued', attempt: 1 });
    expect(bus.offered).toBe(1);
    await suite.sql`select nightshift.unpause()`;
    suite.speedUp();
    expect(await send(bus.continues[0])).toMatchObject({ status: 'succeeded', attempt: 2 });
    expect(await deletedIds(suite.sql)).toEqual(allDue);
  });

  it('waits for the next schedule when there is no bus', async () => {
    await coldStart({ NIGHTSHIFT_EVENT_BUS: undefined });
    expect(await send(unfilledSchedulerInput(), shortOfTime())).toMatchObject({
      status: 'continued',
      report: { steps: [{ status: 'partial', reason: expect.stringContaining('time ran out') }] },
    });
    expect(suite.bus.offered).toBe(0);
    suite.speedUp();
    expect(await send(unfilledSchedulerInput())).toMatchObject({ status: 'succeeded' });
    expect(await deletedIds(suite.sql)).toEqual(allDue);
  });
});

describe('a bus that does not take the event', () => {
  it('the first time is asked again at once', async () => {
    suite.bus.failNext(1);
    expect((await call()).statusCode).toBe(202);
    expect(suite.bus.offered).toBe(2);
    expect(suite.bus.delivered).toHaveLength(1);
  });

  it.each([
    ['throttles', 'ThrottlingException', () => suite.bus.failNext(100)],
    [
      'is out of reach',
      expect.stringMatching(/Error$/),
      () => coldStart({ AWS_ENDPOINT_URL_EVENTBRIDGE: 'http://127.0.0.1:9' }),
    ],
  ])('because it %s is a 503 with the run, and asked again with it', async (why, detail, fail) => {
    const key = `a bus that ${why}`;
    const headers = { 'idempotency-key': key };
    await fail();
    const { statusCode, body } = await call({ headers });
    const { runId } = body;
    expect(body).toMatchObject({
      code: 'NS503',
      title: 'The event bus did not take nightshift.run.continue',
      detail,
      hint: expect.stringContaining('NIGHTSHIFT_EVENT_BUS'),
    });
    expect(statusCode).toBe(503);
    expect(suite.bus.delivered).toEqual([]);
    expect(await runs(key)).toMatchObject([{ id: runId, status: 'continued', error: null }]);

    suite.bus.reset();
    await coldStart();
    expect(await call({ headers })).toMatchObject({
      statusCode: 202,
      body: { runId, status: 'continued', duplicate: true },
    });
    expect(asked(runId)).toEqual([1]);
    suite.speedUp();
    expect(await send(suite.bus.continues[0])).toMatchObject({ id: runId, status: 'succeeded' });
    expect(await deletedIds(suite.sql)).toEqual(allDue);
  });

  it('is thrown to a schedule, asked again with it, and the next schedule goes on', async () => {
    const { bus } = suite;
    const event = schedulerInput({ scheduledTime: '2026-01-02T02:00:00Z' });
    bus.breakDown();
    await expect(send(event, shortOfTime())).rejects.toMatchObject({
      code: 'NS503',
      message: 'The event bus did not take nightshift.run.continue',
      detail: 'InternalException',
      hint: expect.stringContaining('The next scheduled run takes up the work'),
    });
    const [run] = await runs(`${event.scheduleArn} ${event.scheduledTime}`);
    expect(run).toMatchObject({ status: 'continued', attempt: 1 });

    bus.reset();
    expect(await send(event)).toMatchObject({ id: run?.id, status: 'continued' });
    expect(asked(run?.id)).toEqual([1]);

    suite.speedUp();
    const next = await send(schedulerInput({ scheduledTime: '2026-01-03T02:00:00Z' }));
    expect(next).toMatchObject({ status: 'succeeded', report: { rowsLeft: 0 } });
    expect(await send(bus.continues[0])).toMatchObject({ id: run?.id, status: 'succeeded' });
    expect(await deletedIds(suite.sql)).toEqual(allDue);
  });
});
