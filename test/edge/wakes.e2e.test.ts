import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deliver, fire, letMinutesPass, standIns, takeSent } from '../support/cron.ts';
import { createDatabase, expireLease, startAfresh } from '../support/database.ts';
import { setUpEdge } from '../support/edge.ts';
import { deletedIds } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';
import { until } from '../support/waiting.ts';

const suite = setUpEdge();
const { boot, booted, fill } = suite;

/** It is told what the isolate still works on, and says so in the log when that is done. */
const edgeRuntime = `globalThis.EdgeRuntime = {
  waitUntil(work) { work.then(() => console.log('{"message":"waited for"}')); },
};`;
/** Two minutes of an isolate pass in four seconds: more than a busy machine takes to begin and to plan a run. */
const hurriedClock = `{ const now = Date.now, start = now(); Date.now = () => start + (now() - start) * 30; }`;

const slowTables = ['app.logs', 'app.notes', 'app.tags'];

type Isolate = Awaited<ReturnType<typeof boot>>;

const addressOf = (isolate: Isolate) => (url: string) => {
  const functions = `${suite.gateway.url}/functions/v1/`;
  if (!url.startsWith(functions)) throw new Error(`A wake went to ${url}`);
  return `${isolate.url}/${url.slice(functions.length)}`;
};

const runs = () => suite.sql<Record<string, unknown>[]>`
  select id, status, trigger, attempt, requested_by, idempotency_key from nightshift.runs where job = 'retention-purge' order by fence`;
/** More than one attempt gets done, in batches that are no longer than a call may take. */
async function fillWithWork() {
  for (const relation of slowTables) await fill(relation, 400);
}
/** Of the one run that there is. */
const ended = (attempt = 1) =>
  until('the attempt has ended', async () => {
    const [run] = await runs();
    return run?.attempt === attempt && run.status !== 'running';
  });
const answerOf = async (name = 'retention-purge') => {
  const [row] = await suite.sql`select answer from nightshift.schedules where name = ${name}`;
  return row?.answer;
};

/** The functions have no token: nothing has to be set for schedules. */
const bootFunction = (platform = edgeRuntime) =>
  boot('retention-purge', { NIGHTSHIFT_HTTP_TOKEN: undefined }, platform);

beforeEach(async () => {
  await suite.sql.unsafe(`
    drop extension if exists pg_cron, pg_net;
    drop schema if exists cron, net cascade;
    truncate nightshift.schedules, nightshift.home, nightshift.runs;
    ${standIns}
    select nightshift.schedule_with_cron('${suite.gateway.url}');
  `);
  await fill('app.orders');
});
afterEach(() => startAfresh(suite.sql));

async function due() {
  await fire(suite.sql, 'nightshift schedule retention-purge');
  await fire(suite.sql, 'nightshift wakes');
}

describe('a function that a schedule wakes', () => {
  it('answers at once, works on, and runs its job once', async () => {
    const isolate = await bootFunction();
    await due();
    expect(await deliver(suite.sql, addressOf(isolate))).toEqual([202]);
    await ended();
    expect(await runs()).toEqual([
      expect.objectContaining({
        status: 'succeeded',
        trigger: 'schedule',
        requested_by: 'cron retention-purge',
        idempotency_key: expect.stringMatching(/^cron retention-purge \d{4}-.*Z$/),
      }),
    ]);
    expect(await idsOf(suite.sql, 'app.orders')).toEqual(range(11, 30));
    await until('the platform was told of the work', async () =>
      isolate.log().some(({ message }) => message === 'waited for'),
    );

    await letMinutesPass(suite.sql, 5);
    await fire(suite.sql, 'nightshift wakes');
    expect(await takeSent(suite.sql)).toEqual([]);
    expect(await answerOf()).toBe('202');
  });

  it('of the health check has the input of its schedule', async () => {
    const isolate = await boot('health-check', { NIGHTSHIFT_HTTP_TOKEN: undefined }, edgeRuntime);
    await fire(suite.sql, 'nightshift schedule health-check');
    await fire(suite.sql, 'nightshift wakes');
    expect(await deliver(suite.sql, addressOf(isolate))).toEqual([202]);
    await until('the health check has ended', async () => {
      const done = await suite.sql`
        select from nightshift.runs
        where job = 'health-check' and status = 'succeeded' and input @> '{"quick": true}' and requested_by = 'cron health-check'`;
      return done.length > 0;
    });
  });

  it('is woken again when a wake was lost', async () => {
    const isolate = await bootFunction();
    await due();
    expect(await takeSent(suite.sql)).toHaveLength(1);
    await letMinutesPass(suite.sql, 1);
    await fire(suite.sql, 'nightshift wakes');
    expect(await deliver(suite.sql, addressOf(isolate))).toEqual([202]);
    await ended();
    expect((await runs()).map(({ status }) => status)).toEqual(['succeeded']);
  });

  it('runs once for a wake that is delivered twice at the same time', async () => {
    const isolates = [await bootFunction(), await bootFunction()];
    await due();
    const [sent] = await takeSent(suite.sql);
    const answers = await Promise.all(
      isolates.map((isolate) =>
        fetch(addressOf(isolate)(sent?.url ?? ''), { method: 'POST', body: sent?.body ?? '' }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 421]);
    const texts = await Promise.all(answers.map((each) => each.text()));
    expect(texts.toSorted()).toEqual(['', expect.stringContaining('"code":"NS421"')]);
    await ended();
    expect(await runs()).toHaveLength(1);
  });

  it('is sent for by the database until the work is done, each attempt once', async () => {
    await fillWithWork();
    await due();
    for (let attempt = 1; attempt <= 10; attempt++) {
      const isolate = await bootFunction(`${edgeRuntime}\n${hurriedClock}`);
      expect(await deliver(suite.sql, addressOf(isolate))).toEqual([202]);
      await ended(attempt);
      const [run] = await runs();
      if (run?.status === 'succeeded') break;
      expect(run?.status).toBe('continued');
      // Not by the tick of a minute: the function has asked for it as its last act.
      await until('the next wake was sent', async () => {
        const queue = await suite.sql`select from net.http_request_queue`;
        return queue.length > 0;
      });
      await isolate.kill();
    }
    const all = await runs();
    expect(all).toMatchObject([{ status: 'succeeded', trigger: 'schedule' }]);
    expect(Number(all[0]?.attempt)).toBeGreaterThan(1);
    expect((await deletedIds(suite.sql)).length).toBe(40);
    for (const relation of slowTables) {
      expect(await idsOf(suite.sql, relation)).toEqual(range(11, 30));
    }
  });

  it('that was killed is followed by another, and each row goes once', async () => {
    await fill('app.logs', 300);
    await due();
    const first = await bootFunction();
    expect(await deliver(suite.sql, addressOf(first))).toEqual([202]);
    await until('the purge is at a batch', async () => {
      const busy = await suite.sql`
        select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`;
      return busy.length > 0;
    });
    await first.kill();
    await fire(suite.sql, 'nightshift wakes');
    expect(await takeSent(suite.sql)).toEqual([]);
    await expireLease(suite.sql);
    await fire(suite.sql, 'nightshift wakes');
    expect(await deliver(suite.sql, addressOf(await bootFunction()))).toEqual([202]);
    await until('the second run has ended', async () =>
      (await runs()).some(({ status }) => status === 'succeeded'),
    );
    expect((await runs()).map(({ status }) => status)).toEqual(['lost', 'succeeded']);
    expect((await deletedIds(suite.sql)).length).toBe(20);
    expect(await idsOf(suite.sql, 'app.logs')).toEqual(range(11, 30));
  });

  it('goes on with a run that was started over HTTP', async () => {
    await fillWithWork();
    const { call } = await boot('retention-purge', { NIGHTSHIFT_HTTP_BUDGET_MS: '5000' });
    expect(await call()).toMatchObject({ status: 202, body: { status: 'continued' } });
    await fire(suite.sql, 'nightshift wakes');
    expect(await deliver(suite.sql, addressOf(await bootFunction()))).toEqual([202]);
    await ended(2);
    expect(await runs()).toMatchObject([{ status: 'succeeded', trigger: 'http' }]);
  });

  it('refuses an input that is not valid where the answers are looked at', async () => {
    await suite.sql`
      select nightshift.schedule_with_cron(name => 'retention-purge', input => '{"onyl": ["app.orders"]}')`;
    await due();
    expect(await deliver(suite.sql, addressOf(await bootFunction()))).toEqual([422]);
    await fire(suite.sql, 'nightshift wakes');
    expect(await answerOf()).toContain('onyl');
    expect(await runs()).toEqual([]);
  });

  it.each([
    ['nothing', '', 400],
    ['no nonce', '{}', 400],
    ['no uuid', '{"nonce": "select 1"}', 400],
    ['much too much', 'x'.repeat(100_000), 400],
    ['a nonce that somebody made up', '{"nonce": "01900000-0000-7000-8000-000000000000"}', 421],
  ])('refuses %s, which no schedule has sent', async (_, body, status) => {
    await due();
    const { call } = await booted(
      'retention-purge',
      { NIGHTSHIFT_HTTP_TOKEN: undefined },
      edgeRuntime,
    );
    const options = { path: '/jobs/retention-purge/wakes', token: '', body };
    expect(await call(options)).toMatchObject({ status, body: { hint: expect.any(String) } });
    expect(await runs()).toEqual([]);
  });
});

describe('a copy of the database', () => {
  it('is refused by the project, runs nothing there, and stops asking', async () => {
    const isolate = await bootFunction();
    const copy = await createDatabase();
    try {
      await copy.sql.unsafe(standIns);
      await copy.sql`select nightshift.schedule_with_cron(${suite.gateway.url})`;
      await due();
      // As they were when it was copied, with a wake on its way.
      const rows = await suite.sql`select * from nightshift.schedules`;
      await copy.sql`truncate nightshift.schedules`;
      await copy.sql`insert into nightshift.schedules ${copy.sql(rows as never)}`;

      await letMinutesPass(copy.sql, 1);
      await fire(copy.sql, 'nightshift wakes');
      expect(await deliver(copy.sql, addressOf(isolate))).toEqual([421]);
      await letMinutesPass(copy.sql, 60);
      await fire(copy.sql, 'nightshift wakes');
      expect(await takeSent(copy.sql)).toEqual([]);
      const [home] = await copy.sql`select refused_at from nightshift.home`;
      expect(home?.refused_at).toEqual(expect.anything());
      for (const { sql } of [suite, copy]) {
        expect(await sql`select from nightshift.runs`).toHaveLength(0);
      }
      // The original is as it was.
      expect(await deliver(suite.sql, addressOf(isolate))).toEqual([202]);
      await ended();
    } finally {
      await copy.drop();
    }
  });
});
