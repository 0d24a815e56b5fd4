import { beforeAll, describe, expect, it } from 'vitest';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { connectDirect } from '../../functions/_shared/direct.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { jobNames, loadJob } from '../../functions/registry.ts';
import { exampleSeeds, fillExamples } from '../../infra/local/examples.ts';
import { loadSeed } from '../../infra/local/seeds.ts';
import { setUpDatabase, type TestDatabase } from '../support/database.ts';
import { readHealth } from '../support/health.ts';

/** Of the whole server, which other tests use as well. */
const ofTheServer = /^(connections|inactive_replication_slots|replication_lag)$/;

async function aboveInfo(db: TestDatabase): Promise<string[]> {
  const { checks, notRun } = await readHealth(db.sql);
  expect(notRun).toEqual([]);
  expect(checks.length).toBeGreaterThan(30);
  return checks
    .filter(({ name }) => !ofTheServer.test(name))
    .flatMap(({ name, findings }) =>
      findings
        .filter(({ level }) => level !== 'info')
        .map(({ level, subject, detail }) => `${level} ${name} ${subject}: ${detail}`),
    );
}

describe('an application on its first day, before any run', () => {
  const db = setUpDatabase();
  beforeAll(async () => {
    await db.sql.unsafe(`
      create table public.orders (id bigint generated always as identity primary key, name text unique, deleted_at timestamptz);
      create index on public.orders (deleted_at) where deleted_at is not null;
      insert into public.orders (name, deleted_at)
      select 'order ' || n, case when n % 4 = 0 then now() - interval '1 day' * n / 10 end from generate_series(1, 5000) n;
      create table public.lines (id uuid primary key, order_id bigint references public.orders);
      create index on public.lines (order_id);
      create table public.metrics (at timestamptz not null, value numeric) partition by range (at);
      create materialized view public.names as select id, name from public.orders where deleted_at is null;
      create unique index on public.names (id);
      revoke all on public.names from anon, authenticated;
      analyze;
      select nightshift.add_retention_policy('public.orders', '90 days');
      select nightshift.adopt_refresh_policies('public');
      select nightshift.add_partition_policy('public.metrics', '1 month');
      select nightshift.create_missing_partitions('public.metrics');
    `);
  });

  it('has no finding above info', async () => {
    expect(await aboveInfo(db)).toEqual([]);
  });
});

describe('the example applications, after a night shift and an autovacuum', () => {
  const db = setUpDatabase();
  beforeAll(async () => {
    for (const seed of exampleSeeds) await loadSeed(db.url, seed);
    await fillExamples(db.url, { users: 100, packages: 2_000, metrics: 20_000, products: 200 });
    // The seed has an entry of a clock that was wrong, which no run moves.
    await db.sql`delete from public.audit_logs where occurred_at > now() + interval '1 year'`;
    const { url, secretKey } = await db.gateway();
    for (const job of jobNames) {
      const deadline = deadlineIn(systemClock, 60_000);
      await runJob(
        await loadJob(job),
        { trigger: 'cli', input: {} },
        {
          rpc: createRpc({ url, secretKey }, deadline),
          direct: connectDirect(db.url, deadline),
          clock: systemClock,
          deadline,
          log: silentLog,
          metrics: noMetrics,
        },
      );
    }
    await db.sql`vacuum analyze`;
  });

  it('have the queries measured that the guide benchmarks, of one partition for a month', async () => {
    const [row] = await db.sql`select nightshift.describe_key_queries() as queries`;
    expect(row?.queries).toMatchObject([
      { name: 'coach_dashboard', maxMs: 300, failure: null, points: [{}] },
      { name: 'package_search', maxMs: 100, failure: null, points: [{}] },
      { name: 'single_month_metrics', maxMs: 100, failure: null, points: [{}] },
    ]);
    const [plan] = await db.sql`
      select plan from nightshift.key_query_times where query = 'single_month_metrics'`;
    expect(plan?.plan).toMatch(/ on public\.daily_metrics$/);
  });

  it('have no finding above info', async () => {
    expect(await aboveInfo(db)).toEqual([]);
  });
});
