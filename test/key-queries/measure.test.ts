import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../functions/_shared/clock.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { job } from '../../functions/health-check/job.ts';
import {
  type HealthReport,
  type KeyQuery,
  keyQueries,
} from '../../functions/health-check/schema.ts';
import { setUpDatabase } from '../support/database.ts';
import { endless } from '../support/deadline.ts';
import { readCheck } from '../support/health.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();

/** More than 20 ms on any machine. */
const slow = 'select count(*) from generate_series(1, 1000000)';

beforeAll(async () => {
  await db.sql.unsafe(`
    create schema app;
    create table app.orders (id integer primary key, state text);
    insert into app.orders select n, 'open' from generate_series(1, 1000) n;
    create table app.days (at date, n integer) partition by range (at);
    create index on app.days (at);
    create table app.days_1 partition of app.days for values from ('2026-01-01') to ('2026-02-01') with (autovacuum_enabled = false);
    create table app.days_2 partition of app.days for values from ('2026-02-01') to ('2026-03-01') with (autovacuum_enabled = false);
    insert into app.days select date '2026-01-01' + n % 59, n from generate_series(1, 20000) n;
    analyze app.orders, app.days;
    create role key_query_stranger;
  `);
});
afterAll(() =>
  db.sql.unsafe('drop owned by key_query_stranger cascade; drop role key_query_stranger'),
);
beforeEach(() => db.sql`delete from nightshift.key_queries`);

const add = (name: string, sql: string, maxMs = 3000) =>
  db.sql`select nightshift.add_key_query(${name}, ${sql}, ${maxMs}::numeric)`;

async function check(input: object = { only: ['key_queries'] }, deadline = endless(120_000)) {
  const result = await runJob(
    job,
    { trigger: 'cli', input },
    {
      rpc: createRpc(await db.gateway(), deadline),
      clock: systemClock,
      deadline,
      log: silentLog,
      metrics: noMetrics,
    },
  );
  return result.run.report as HealthReport;
}

async function described(): Promise<KeyQuery[]> {
  const [row] = await db.sql`select nightshift.describe_key_queries() as queries`;
  return keyQueries.parse(row?.queries);
}

/** Times that a query took in earlier nights, each with its plan. */
async function past(
  name: string,
  times: { ms: number; plan?: string; verdict?: string | null; failure?: string }[],
) {
  for (const { ms, plan = 'Seq Scan on app.orders', verdict = null, failure = null } of times) {
    await db.sql`
      insert into nightshift.key_query_times (query, measured_at, runs, min_ms, median_ms, blocks_hit, blocks_read, plan, verdict, failure)
      values (${name}, now(), 5, ${failure ? null : ms}, ${failure ? null : ms}, 1, 0, ${plan}, ${verdict}, ${failure})`;
  }
}

const usually = (ms: number, plan?: string) =>
  Array.from({ length: 6 }, () => ({ ms, ...(plan ? { plan } : {}) }));

describe('the full health check', () => {
  it('measures each key query a few times, and keeps times, blocks and plan', async () => {
    await add('by_key', 'select * from app.orders where id = 3');
    await check();
    const [query] = await described();
    expect(query).toMatchObject({
      name: 'by_key',
      failure: null,
      verdict: null,
      usualMs: null,
      planHash: expect.stringMatching(/^[0-9a-f]{32}$/),
      points: [{ minMs: query?.minMs, medianMs: query?.medianMs }],
    });
    expect(query?.blocksHit).toBeGreaterThan(0);
    expect(await db.sql`select runs, plan from nightshift.key_query_times`).toEqual([
      { runs: 5, plan: 'Index Scan using app.orders_pkey on app.orders' },
    ]);
  });

  it.each([
    ['quick', { quick: true }],
    ['dry', { dryRun: true }],
    ['of another check', { only: ['connections'] }],
  ])('measures nothing when it is %s', async (_, input) => {
    await add('by_key', 'select 1');
    await check(input);
    expect(await described()).toMatchObject([{ measuredAt: null, points: [] }]);
  });

  it('measures what its time allows, and next time begins with the others', async () => {
    await add('first', 'select 1');
    await add('second', 'select 2');
    await check({}, endless(30_000));
    expect(await described()).toMatchObject([{ measuredAt: null }, { measuredAt: null }]);
    await past('first', [{ ms: 1 }]);
    const asked: unknown[] = [];
    const deadline = endless(120_000);
    const rpc = createRpc(await db.gateway(), deadline);
    await runJob(
      job,
      { trigger: 'cli', input: {} },
      {
        rpc: {
          call: (name, args, ...rest) => {
            if (name === 'measure_key_query')
              asked.push((args as { query_name: string }).query_name);
            return rpc.call(name, args, ...rest);
          },
        },
        clock: systemClock,
        deadline,
        log: silentLog,
        metrics: noMetrics,
      },
    );
    expect(asked).toEqual(['second', 'first']);
  });

  it('keeps the last hundred times', async () => {
    await add('by_key', 'select 1');
    await db.sql`
      insert into nightshift.key_query_times (query, measured_at, runs, min_ms, median_ms)
      select 'by_key', now(), 5, n / 1000.0, n / 1000.0 from generate_series(1, 150) n`;
    await check();
    const [kept] = await db.sql`
      select count(*)::integer as times, count(*) filter (where min_ms = 0.051)::integer as older from nightshift.key_query_times`;
    expect(kept).toEqual({ times: 100, older: 0 });
  });

  it('warns of one that takes longer than it may, and says where to look', async () => {
    await add('slow', slow, 0.001);
    const { checks } = await check();
    expect(checks).toMatchObject([
      {
        name: 'key_queries',
        level: 'critical',
        findings: [
          {
            subject: 'slow',
            warning: 0.001,
            detail: expect.stringMatching(
              /^It may take 0\.001 ms\. Fastest of \d runs: [\d.]+ ms\./,
            ),
            fix: expect.stringContaining("where name = 'slow'"),
          },
        ],
      },
    ]);
  });

  it('says of one that was stopped after how long, as the statement timeout does', async () => {
    await add(
      'endless',
      'select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b',
      0.001,
    );
    const running = check();
    await until('it runs', async () => {
      const cancelled = await db.sql`
        select pg_cancel_backend(pid) from pg_stat_activity
        where datname = current_database() and query like '%measure_key_query%' and pid <> pg_backend_pid()
          and state = 'active' and clock_timestamp() - query_start > interval '50 ms'`;
      return cancelled.length > 0;
    });
    expect((await running).checks).toMatchObject([
      { level: 'critical', findings: [{ detail: expect.stringMatching(/stopped after \d+ ms/) }] },
    ]);
    expect(await described()).toMatchObject([{ failure: '57014', medianMs: null, points: [] }]);
  });

  it('does not know of one that was not measured for two days', async () => {
    await add('by_key', 'select 1');
    expect((await readCheck(db.sql, 'key_queries', '49 hours')).level).toBe('ok');
    expect(await readCheck(db.sql, 'key_queries', '51 hours')).toMatchObject({
      level: 'unknown',
      findings: [{ subject: 'by_key', detail: expect.stringMatching(/not been measured since/) }],
    });
  });
});

describe('a query that was harmless when it was declared', () => {
  const failures = async () =>
    (await db.sql`select failure, runs from nightshift.key_query_times`).map((row) => ({ ...row }));
  const rows = () => db.sql`select count(*)::integer as n from app.orders`;

  it.each([
    ['deletes', 'delete from app.orders; return 1;', '0A000'],
    ['hides behind another that deletes', 'return app.behind();', '25006'],
    [
      'makes the transaction writable first',
      "perform set_config('transaction_read_only', 'off', true); return app.behind();",
      '25001',
    ],
  ])('cannot write when a function of it %s', async (_, body, code) => {
    await db.sql.unsafe(`
      create or replace function app.behind() returns integer language plpgsql as
        $$ begin delete from app.orders; return 1; end $$;
      create or replace function app.turned(n integer) returns integer language plpgsql stable as 'begin return n; end';`);
    await add('turned', 'select app.turned(id) from app.orders');
    await db.sql.unsafe(
      `create or replace function app.turned(n integer) returns integer language plpgsql stable as $$ begin ${body} end $$;`,
    );
    const { checks } = await check();
    expect(await failures()).toEqual([{ failure: code, runs: 0 }]);
    expect(checks).toMatchObject([
      { level: 'unknown', findings: [{ detail: expect.stringContaining(`failed with ${code}`) }] },
    ]);
    expect(await rows()).toEqual([{ n: 1000 }]);
  });

  it.each([
    [
      'became volatile',
      'create or replace function app.turned(n integer) returns integer language sql volatile as $$ select n $$',
    ],
    ['was given to a stranger', 'alter table app.given owner to key_query_stranger'],
    ['is gone', 'drop table app.given'],
    [
      'was replaced by a view of a stranger',
      'drop table app.given; create view app.given as select 1 as id; alter view app.given owner to key_query_stranger',
    ],
  ])('is not run any more when what it uses %s', async (_, statement) => {
    await db.sql.unsafe(`
      drop table if exists app.given; create table app.given (id integer);
      create or replace function app.turned(n integer) returns integer language sql stable as 'select n';`);
    await add('turned', 'select app.turned(id) from app.given');
    await db.sql.unsafe(statement);
    const { checks } = await check();
    expect(await failures()).toEqual([{ failure: 'NS422', runs: 0 }]);
    expect(checks).toMatchObject([
      { level: 'unknown', findings: [{ detail: expect.stringContaining('alter_key_query(') }] },
    ]);
    await db.sql.unsafe('drop view if exists app.given').catch(() => {});
  });

  it('is not run again when a stranger has meanwhile made a function that its call fits better', async () => {
    await db.sql.unsafe(`
      create function app.slow(n numeric) returns numeric language plpgsql stable as
        'begin perform pg_advisory_xact_lock_shared(4343); return n; end';
      grant create, usage on schema app to key_query_stranger;`);
    await add('slow', 'select app.slow(1)');
    const keeper = db.connect();
    await keeper`select pg_advisory_lock(4343)`;
    const checked = check();
    await until('it is run', async () => {
      const rows = await db.sql`
        select from pg_stat_activity where datname = current_database() and wait_event = 'advisory'`;
      return rows.length > 0;
    });
    await db.sql.unsafe(`
      set role key_query_stranger;
      create function app.slow(n integer) returns integer language sql stable as 'select n';
      reset role;`);
    await keeper`select pg_advisory_unlock(4343)`;
    await checked;
    expect(await failures()).toEqual([{ failure: 'NS422', runs: 1 }]);
    await db.sql.unsafe('drop function app.slow(integer), app.slow(numeric)');
  });

  it('tells nobody what is in the rows when it fails', async () => {
    await db.sql`update app.orders set state = 'secret-42' where id = 1`;
    await db.sql.unsafe(
      `create or replace function app.number(t text) returns integer language sql stable as 'select t::integer'`,
    );
    await add('numbers', 'select app.number(state) from app.orders');
    const report = await check();
    expect(report.checks).toMatchObject([{ level: 'unknown' }]);
    expect(JSON.stringify([report, await described()])).not.toContain('secret-42');
  });
});

describe('the plan', () => {
  const shape = async (sql: string) => {
    const [row] =
      await db.sql`select nightshift.add_key_query('plan', ${sql}, 3000) ->> 'plan' as plan`;
    await db.sql`delete from nightshift.key_queries`;
    return row?.plan;
  };

  it('is the same whichever partitions it meets, and however many', async () => {
    const of = (from: string, to: string) =>
      shape(`select count(*) from app.days where at between '${from}' and '${to}'`);
    const one = await of('2026-01-03', '2026-01-04');
    expect(one).toContain('on app.days');
    expect(one).not.toContain('days_1');
    expect(await of('2026-02-03', '2026-02-04')).toBe(one);
    expect(await of('2026-01-31', '2026-02-01')).toBe(one);
  });

  it('shows no value of a condition', async () => {
    expect(await shape("select * from app.orders where state = 'secret-42'")).toBe(
      'Seq Scan on app.orders',
    );
  });
});

describe('a time is judged', () => {
  const usual = { times: 20, ms: 100, spread: 5, plan: 'a' };
  it.each([
    ['within what is usual', 250, 'a', usual, 'usual'],
    ['three times as long', 301, 'a', usual, 'slower'],
    ['half as long again', 151, 'a', usual, 'usual'],
    ['half as long again with another plan', 151, 'b', usual, 'slower'],
    ['as long with another plan', 110, 'b', usual, 'usual'],
    ['ten times as long, but by 9 ms', 10, 'a', { ...usual, ms: 1, spread: 0 }, 'usual'],
    ['longer, but no longer than it varies', 301, 'a', { ...usual, spread: 60 }, 'usual'],
    ['a quarter as long', 25, 'a', usual, 'faster'],
    ['by too few', 1000, 'b', { ...usual, times: 4 }, null],
  ])('%s', async (_, ms, plan, { times, ms: usualMs, spread, plan: before }, verdict) => {
    const [row] = await db.sql`
      select nightshift.judge_key_query(row(${times}::integer, ${usualMs}::numeric, ${spread}::numeric, ${before}::text)::nightshift.usual_time,
        ${ms}::numeric, ${plan}) as verdict`;
    expect(row?.verdict).toBe(verdict);
  });
});

describe('slower_key_queries', () => {
  const find = async () => (await readCheck(db.sql, 'slower_key_queries')).findings;
  beforeEach(() => add('orders', 'select count(*) from app.orders'));

  it('is silent after one slow time, warns after the second, and ends by itself', async () => {
    await past('orders', [...usually(10), { ms: 90, verdict: 'slower' }]);
    expect(await find()).toEqual([]);
    await past('orders', [{ ms: 80, verdict: 'slower' }]);
    expect(await find()).toMatchObject([
      {
        level: 'warning',
        subject: 'orders',
        value: 8,
        detail: expect.stringMatching(
          /^Fastest 80(\.0)? ms, usually 10(\.0)? ms until .* UTC\. The plan is the same:\nSeq Scan on app\.orders$/,
        ),
      },
    ]);
    await past('orders', [{ ms: 11, verdict: 'usual' }]);
    expect(await find()).toEqual([]);
  });

  it('shows both plans of one that changed', async () => {
    const plan = 'Nested Loop';
    await past('orders', [
      ...usually(100),
      { ms: 160, verdict: 'slower', plan },
      { ms: 160, verdict: 'slower', plan },
    ]);
    const [finding] = await find();
    expect(finding).toMatchObject({ level: 'warning', value: 1.6 });
    expect(finding?.detail).toMatch(
      /The plan was:\nSeq Scan on app\.orders\nand is now:\nNested Loop$/,
    );
  });

  it('does not take what lasts for usual', async () => {
    const many = Array.from({ length: 30 }, () => ({ ms: 90, verdict: 'slower' }));
    await past('orders', [...usually(10), ...many]);
    expect(await find()).toMatchObject([{ level: 'warning', value: 9 }]);
  });

  it('is not confirmed by a time that failed', async () => {
    await past('orders', [
      ...usually(10),
      { ms: 90, verdict: 'slower' },
      { ms: 0, failure: '57014' },
    ]);
    expect(await find()).toEqual([]);
    await past('orders', [{ ms: 90, verdict: 'slower' }]);
    expect(await find()).toHaveLength(1);
  });

  it('mentions what became faster, and a new plan that is as fast', async () => {
    await past('orders', [
      ...usually(100),
      { ms: 20, verdict: 'faster' },
      { ms: 20, verdict: 'faster' },
    ]);
    expect(await find()).toMatchObject([{ level: 'info', value: 0.2 }]);
    await past('orders', [...usually(20), { ms: 20, verdict: 'usual', plan: 'Index Scan' }]);
    expect(await find()).toMatchObject([
      { level: 'info', value: 1, detail: expect.stringContaining('and is now:\nIndex Scan') },
    ]);
  });

  it('is confirmed in the same run, by measuring it once more after the others', async () => {
    await add('became_slow', slow);
    await past('became_slow', usually(1, 'Aggregate\n  Function Scan on generate_series'));
    const { checks } = await check({ only: ['slower_key_queries'] });
    expect(checks).toMatchObject([
      { level: 'warning', findings: [{ subject: 'became_slow', level: 'warning' }] },
    ]);
    const times = await db.sql`
      select verdict from nightshift.key_query_times where query = 'became_slow' order by id desc limit 2`;
    expect(times.map(({ verdict }) => verdict)).toEqual(['slower', 'slower']);
  });
});

it('only a run of the health check that is not dry measures', async () => {
  await add('by_key', 'select 1');
  for (const [job, dry] of [
    ['table-vacuum', false],
    ['health-check', true],
  ] as const) {
    const [begun] = await db.sql`
      select b ->> 'id' as id, (b ->> 'fence')::bigint as fence
      from (select nightshift.begin_run(${job}, 'cli', dry_run => ${dry}) -> 'run') r(b)`;
    await expect(
      db.sql`select nightshift.measure_key_query(${begun?.id}, ${begun?.fence}, 'by_key')`,
    ).rejects.toMatchObject({ code: 'NS422' });
  }
});
