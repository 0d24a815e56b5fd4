import { describe, expect, it } from 'vitest';
import {
  busAlarm,
  continueEvent,
  lambdaContext,
  ruleEvent,
  s3Event,
  schedulerInput,
  snsAlarm,
  straightAlarm,
} from '../support/events.ts';
import { setUpHandler, token } from '../support/handler.ts';
import { deletedIds } from '../support/purge.ts';
import { written } from '../support/record-output.ts';
import { idsOf, range } from '../support/rows.ts';

const suite = setUpHandler();
const { call, coldStart, countRuns, fill, runs, send } = suite;

describe('a schedule', () => {
  it('that is delivered twice is one run', async () => {
    await fill('app.orders');
    const event = schedulerInput({ scheduledTime: '2026-02-01T02:00:00Z' });
    const first = await send(event);
    const second = await send(event);
    expect(first).toMatchObject({ status: 'succeeded', report: { rowsPurged: 10 } });
    expect(second).toEqual(first);
    expect(await runs(`${event.scheduleArn} ${event.scheduledTime}`)).toMatchObject([
      { trigger: 'schedule', requested_by: event.scheduleArn },
    ]);
  });

  it('that is delivered five times at once is one run', async () => {
    await fill('app.orders');
    const event = ruleEvent({ id: 'five-times' });
    const answers = await Promise.all(range(1, 5).map(() => send(event)));
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(await runs('five-times')).toMatchObject([{ status: 'succeeded', trigger: 'schedule' }]);
    expect(await deletedIds(suite.sql)).toEqual(range(1, 10));
  });

  it('that names a table which is gone leaves a run that failed, for the alarms', async () => {
    await fill('app.orders');
    const event = schedulerInput({ input: { only: ['app.gone'] } });
    await expect(send(event)).rejects.toMatchObject({ code: 'NS404' });
    expect(await runs(`${event.scheduleArn} ${event.scheduledTime}`)).toMatchObject([
      { status: 'failed', error: { message: 'No retention policy for: app.gone' } },
    ]);
  });

  it('that a pause skips is no failure, and may come again', async () => {
    await fill('app.orders');
    const event = ruleEvent({ id: 'in-the-pause' });
    await suite.sql`select nightshift.pause()`;
    expect(await send(event)).toMatchObject({ status: 'skipped', report: { reason: 'paused' } });
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(30);
    await suite.sql`select nightshift.unpause()`;
    expect(await send(event)).toMatchObject({ status: 'succeeded', report: { rowsPurged: 10 } });
  });
});

describe('an alarm', () => {
  it.each([
    ['straight from CloudWatch', straightAlarm('ALARM', { time: '2026-02-01T00:00:00.000+0000' })],
    ['over EventBridge', busAlarm('ALARM', { id: 'an-alarm' })],
    ['over SNS', snsAlarm('ALARM', 'a-message')],
  ])('%s starts a purge, once', async (_, event) => {
    await fill('app.orders');
    const before = await countRuns();
    expect(await send(event)).toMatchObject({ status: 'succeeded', report: { rowsPurged: 10 } });
    await send(event);
    expect((await runs()).slice(before)).toMatchObject([
      { trigger: 'alarm', requested_by: 'soft-deletes-piling-up', status: 'succeeded' },
    ]);
  });

  it('that is over, or a continuation of another job, starts nothing', async () => {
    const before = await countRuns();
    expect(await send(busAlarm('OK'))).toEqual({ ignored: 'alarm soft-deletes-piling-up is OK' });
    expect(await send(continueEvent({ job: 'view-refresh', runId: crypto.randomUUID() }))).toEqual({
      ignored: 'continuation of view-refresh',
    });
    expect(await countRuns()).toBe(before);
  });
});

describe('an invoke', () => {
  it('that is plain runs with the input that it is', async () => {
    await fill('app.orders');
    expect(await send({ dryRun: true })).toMatchObject({ dryRun: true, trigger: 'event' });
    expect(await send({})).toMatchObject({ report: { rowsPurged: 10 } });
    await expect(send({ dryRun: 'yes' })).rejects.toMatchObject({ code: 'NS422' });
  });

  it('that fails and is tried again is one run', async () => {
    await fill('app.orders', { due: 900, fresh: 300 });
    const before = await countRuns();
    const context = lambdaContext();
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await expect(send({}, context)).rejects.toMatchObject({ code: 'NS428' });
    }
    expect(await countRuns()).toBe(before + 1);
  });

  it('that is unknown is thrown by name, and starts nothing', async () => {
    const before = await countRuns();
    for (const [event, name] of [
      [s3Event('ada'), 'an object with Records'],
      [undefined, 'undefined'],
      [[{}], 'an array'],
      [{ run: true }, 'an object with run'],
    ]) {
      await expect(send(event)).rejects.toMatchObject({
        code: 'NS400',
        message: `Unknown event: ${name}`,
      });
    }
    expect(await countRuns()).toBe(before);
  });

  it('that continues a run nobody knows is thrown', async () => {
    await expect(
      send(continueEvent({ runId: '00000000-0000-4000-8000-000000000000' })),
    ).rejects.toMatchObject({ code: 'NS404', hint: expect.stringContaining('start a new run') });
  });
});

describe('a failure is thrown, and so is its repetition', () => {
  it('of a run that the brake stopped', async () => {
    await fill('app.orders', { due: 900, fresh: 300 });
    const event = ruleEvent({ id: 'too-much' });
    const refusal = {
      name: 'NightshiftError',
      code: 'NS428',
      message: expect.stringContaining('app.orders: at least 900 of 1200 rows'),
      detail: expect.stringContaining('It was left alone'),
      hint: expect.stringContaining('force'),
    };
    await expect(send(event)).rejects.toMatchObject(refusal);
    await expect(send(event)).rejects.toMatchObject(refusal);
    expect(await runs('too-much')).toMatchObject([{ status: 'failed', error: { code: 'NS428' } }]);
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(1_200);
  });

  it('of a run in which every table failed, with the report in the ledger', async () => {
    await fill('app.orders');
    await suite.sql`alter table app.orders rename column deleted_at to gone_at`;
    const event = ruleEvent({ id: 'no-table' });
    const failure = {
      code: 'NS502',
      message: 'No table could be purged',
      detail: expect.stringMatching(/^app\.orders: .*deleted_at/),
      hint: expect.any(String),
    };
    await expect(send(event)).rejects.toMatchObject(failure);
    await expect(send(event)).rejects.toMatchObject(failure);
    expect(await runs('no-table')).toMatchObject([
      {
        status: 'failed',
        error: failure,
        report: { steps: [{ status: 'failed', error: { code: expect.stringMatching(/^NS/) } }] },
      },
    ]);
  });

  it.each([
    ['another run found lost', true],
    ['nobody missed yet', false],
  ])('of a run that died, and that %s', async (_, found) => {
    const event = ruleEvent({ id: `died, found: ${found}` });
    await suite.sql`
      select nightshift.begin_run(
        'retention-purge', 'schedule', ${event.id}, input => '{"dryRun": false, "force": [], "pace": "gentle"}',
        as_of => now() - interval '10 minutes')`;
    if (found) expect(await send({})).toMatchObject({ status: 'succeeded' });
    await expect(send(event)).rejects.toMatchObject({
      code: 'NS409',
      message: expect.stringContaining('lease ran out'),
    });
    expect(await runs(event.id)).toMatchObject([{ status: 'lost' }]);
  });
});

describe('what is set wrong', () => {
  it.each([undefined, '', ' '])('answers 401 to all while the token is %j', async (none) => {
    await coldStart({ NIGHTSHIFT_HTTP_TOKEN: none });
    for (const authorization of ['', 'Bearer ', 'Bearer undefined', `Bearer ${token}`]) {
      const { statusCode, headers, body } = await call({ headers: { authorization } });
      expect(statusCode).toBe(401);
      expect(headers).toHaveProperty('www-authenticate', 'Bearer');
      expect(body.hint).toContain('No token is configured');
    }
  });

  it('is named in the log, and to no caller', async () => {
    await coldStart({ SUPABASE_SECRET_KEY: undefined });
    const from = written.length;
    const answers = [await call(), await call({ token: 'wrong' })];
    const logged = written.slice(from).join('\n');
    for (const { statusCode, body } of answers) {
      expect(statusCode).toBe(500);
      expect(body).toMatchObject({ code: 'NS500', title: 'The function is not configured' });
      expect(JSON.stringify(body)).not.toMatch(/SUPABASE|NIGHTSHIFT_/);
    }
    expect(logged).toContain('The environment is not valid: SUPABASE_SECRET_KEY');
  });

  it('is thrown by name to every other trigger', async () => {
    await coldStart({ NIGHTSHIFT_HTTP_TOKNE: 'x' });
    await expect(send({})).rejects.toMatchObject({
      code: 'NS422',
      message: 'The environment is not valid: NIGHTSHIFT_HTTP_TOKNE',
    });
  });

  it('answers 503 when Supabase is out of reach', async () => {
    await coldStart({ SUPABASE_URL: 'http://127.0.0.1:9' });
    expect(await call({}, lambdaContext({ remainingMs: 2_300 }))).toMatchObject({
      statusCode: 503,
      body: { code: 'NS503', hint: expect.stringContaining('SUPABASE_URL') },
    });
  });

  it.each([
    ['wrong', () => `sb_secret_${'x'.repeat(32)}`, 'SUPABASE_SECRET_KEY'],
    ['publishable', () => suite.gateway.publishableKey, 'service_role'],
  ])('does not blame the caller when our own key is %s', async (_, key, hint) => {
    await coldStart({ SUPABASE_SECRET_KEY: key() });
    const { statusCode, body } = await call();
    expect(statusCode).toBe(500);
    expect(body.hint).toContain(hint);
    expect(JSON.stringify(body)).not.toContain(key());
  });
});
