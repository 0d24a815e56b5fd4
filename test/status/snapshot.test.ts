import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock, timeMs } from '../../functions/_shared/clock.ts';
import { jobNames, registry } from '../../functions/registry.ts';
import type {
  StatusFinding,
  StatusPartitions,
  StatusRun,
  StatusView,
} from '../../functions/status/schema.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { lookAgain, purged, readStored } from '../support/status.ts';

const db = setUpDatabase();

beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql`truncate nightshift.runs, nightshift.health_results, nightshift.health_findings, nightshift.status`;
});

/** Moves all that was found and taken into the past. */
async function passes(time: string) {
  await db.sql`
    update nightshift.health_results set checked_at = checked_at - ${time}::interval`;
  await db.sql`
    update nightshift.health_findings
    set since = since - ${time}::interval, level_since = level_since - ${time}::interval`;
  await db.sql`
    update nightshift.status set taken_at = taken_at - ${time}::interval, document = document || jsonb_build_object(
      'takenAt', taken_at - ${time}::interval, 'oldAfter', (document ->> 'oldAfter')::timestamptz - ${time}::interval)`;
}

const ageOf = (time: string | undefined) => systemClock.nowMs() - timeMs(time ?? '');
const hourMs = 3_600_000;

describe('the snapshot', () => {
  it('is what the last health check took, and none before the first', async () => {
    const [row] = await db.sql`select nightshift.read_status() as document`;
    expect(row).toEqual({ document: null });
    const first = await lookAgain(db.sql);
    expect(first).toMatchObject({
      version: 1,
      isOld: false,
      database: { readOnly: false, bytes: expect.any(Number) },
      paused: null,
      jobs: { total: jobNames.length, problem: null },
      retention: { total: 0, items: [], counts: {}, problem: null },
      views: { total: 0, items: [], problem: null },
      partitions: { total: 0, items: [], problem: null },
    });
    const second = await lookAgain(db.sql);
    expect(second.runId).not.toBe(first.runId);
  });

  it('tells of a pause from the moment that it begins to the moment that it ends', async () => {
    await lookAgain(db.sql);
    await db.sql`select nightshift.pause('a <b>migration</b>')`;
    expect(await readStored(db.sql)).toMatchObject({ paused: { reason: 'a <b>migration</b>' } });
    expect(await lookAgain(db.sql)).toMatchObject({ paused: { reason: 'a <b>migration</b>' } });
    await db.sql`select nightshift.unpause()`;
    expect((await readStored(db.sql)).paused).toBeNull();
  });

  it('says what each job is for in the words of the command line', async () => {
    const { jobs } = await lookAgain(db.sql);
    expect(Object.fromEntries(jobs.items.map(({ job, purpose }) => [job, purpose]))).toEqual(
      Object.fromEntries(registry.map(({ name, purpose }) => [name, purpose])),
    );
  });

  it('says that it is old when the next should long have been taken', async () => {
    await lookAgain(db.sql);
    await passes('3 hours');
    const old = await readStored(db.sql);
    expect(old).toMatchObject({ isOld: false });
    await passes('3 days');
    const older = await readStored(db.sql);
    expect(older.isOld).toBe(true);
    expect(older.ageSeconds).toBeGreaterThan(3 * 86_400);
  });

  it('is read from a database that nothing can be written to, and says so', async () => {
    await lookAgain(db.sql);
    const reader = db.connect();
    await reader`set default_transaction_read_only = on`;
    expect((await readStored(reader)).database.readOnly).toBe(true);
    await reader.end();
  });

  it('is taken by whoever has the lease', async () => {
    const { runId } = await lookAgain(db.sql);
    await expect(db.sql`select nightshift.take_status(${runId}, 1)`).rejects.toMatchObject({
      code: 'NS409',
    });
  });

  it('loses a section whose data is wrong, says so in it, and has the others', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz);
      create index on app.items (deleted_at);
      select nightshift.add_retention_policy('app.items', '30 days');`);
    await purged(db.sql, 0, { 'app.items': { left: 1 } });
    await db.sql`
      update nightshift.runs set report = jsonb_set(report, '{steps,0,rowsLeft}', '"s3cret"') where job = 'retention-purge'`;
    const status = await lookAgain(db.sql);
    expect(status.retention).toEqual({
      items: [],
      total: null,
      counts: {},
      problem: 'It failed with 22P02; the Postgres log has the message.',
    });
    expect(status.jobs.problem).toBeNull();
    expect(status.headline).toMatchObject({ level: 'warning' });
    expect(JSON.stringify(status)).not.toContain('s3cret');
  });
});

describe('a snapshot that takes too long', () => {
  it('ends with the section that was stopped, and has had the health before', async () => {
    await db.sql.unsafe(`
      alter function nightshift.status_views rename to status_views_away;
      create function nightshift.status_views(as_of timestamptz) returns jsonb language plpgsql as $$
      begin raise query_canceled; end $$;`);
    const status = await lookAgain(db.sql);
    await db.sql.unsafe(`
      drop function nightshift.status_views;
      alter function nightshift.status_views_away rename to status_views;`);
    expect(status.views).toMatchObject({ total: null, problem: /took too long/ });
    for (const section of ['partitions', 'retention', 'trends'] as const)
      expect(status[section]).toMatchObject({
        total: null,
        problem: 'There was no time left for it.',
      });
    for (const section of ['health', 'jobs', 'queries'] as const)
      expect(status[section].problem).toBeNull();
  });

  it('asks once for each thing that it shows', async () => {
    const calls = await db.sql.begin(async (sql) => {
      await sql`set local track_functions = 'all'`;
      await sql`select nightshift.describe_status(now())`;
      return sql`
        select funcname as name, calls::integer from pg_stat_xact_user_functions
        where schemaname = 'nightshift' and funcname in ('describe_trends', 'describe_key_queries') order by 1`;
    });
    expect(calls).toEqual([
      { name: 'describe_key_queries', calls: 1 },
      { name: 'describe_trends', calls: 1 },
    ]);
  });
});

describe('health in the snapshot', () => {
  it('keeps what the last full check found through the quick ones, with its own time', async () => {
    await db.sql.unsafe('create materialized view app.empty as select 1 as a with no data');
    const full = await lookAgain(db.sql, { quick: false });
    const found = full.health.items.find(({ check }) => check === 'views_not_populated');
    expect(found).toMatchObject({ subject: 'app.empty', fix: expect.any(String) });
    await passes('2 hours');
    const quick = await lookAgain(db.sql);
    const kept = quick.health.items.find(({ check }) => check === 'views_not_populated');
    expect(kept).toMatchObject({ subject: found?.subject, level: found?.level });
    expect(ageOf(kept?.checkedAt)).toBeGreaterThan(1.9 * hourMs);
    const [paused] = quick.health.healthy.filter(({ check }) => check === 'read_only');
    expect(ageOf(paused?.checkedAt)).toBeLessThan(hourMs);
    expect(quick.health.healthy.map(({ check }) => check)).toContain('invalid_indexes');
  });

  it('does not know what nobody has looked at for 26 hours', async () => {
    await lookAgain(db.sql, { quick: false });
    await passes('27 hours');
    const { health, headline } = await lookAgain(db.sql);
    const unknown = health.items.filter(({ level }) => level === 'unknown');
    expect(unknown.map(({ check }) => check)).toContain('invalid_indexes');
    expect(unknown.map(({ check }) => check)).not.toContain('read_only');
    expect(health.counts.unknown).toBeGreaterThanOrEqual(unknown.length);
    expect(headline.level).not.toBe('ok');
  });

  it('does not know what no full health check has looked at in 26 hours of quick ones', async () => {
    await lookAgain(db.sql);
    const soon = await lookAgain(db.sql);
    expect(soon.health.items.filter(({ level }) => level === 'unknown')).toEqual([]);
    await db.sql`update nightshift.runs set started_at = started_at - interval '27 hours' where job = 'health-check'`;
    const { health, headline } = await lookAgain(db.sql);
    const unknown = health.items.filter(({ level }) => level === 'unknown');
    expect(unknown.map(({ check }) => check)).toContain('invalid_indexes');
    expect(unknown.map(({ check }) => check)).not.toContain('read_only');
    expect(health.counts.unknown).toBeGreaterThanOrEqual(unknown.length);
    expect(headline.level).toBe('warning');
    // Any full one counts, also for a check that is newer than it.
    await lookAgain(db.sql, { quick: false });
    await db.sql`delete from nightshift.health_results where check_name = 'invalid_indexes'`;
    const after = await lookAgain(db.sql);
    expect(after.health.items.filter(({ check }) => check === 'invalid_indexes')).toEqual([]);
  });

  it('takes for over what its list would begin with, also when the list has no room for all', async () => {
    const found = (worst: string) => [
      ...(worst === 'critical' ? [{ subject: 'app.worst', level: 'critical' }] : []),
      ...Array.from({ length: 20 }, (_, n) => ({ subject: `app.t_${n}`, level: 'warning' })),
    ];
    const record = (worst: string) => {
      const findings = found(worst).slice(0, 20);
      const checks = [{ name: 'stale_views', findings, findingsTotal: 30 }];
      return db.sql`select nightshift.record_health(${db.sql.json(checks)}, now())`;
    };
    const subjects = async () => {
      const rows = await db.sql<{ subject: string }[]>`
        select subject from nightshift.health_findings where check_name = 'stale_views'`;
      return rows.map(({ subject }) => subject);
    };
    await record('critical');
    expect(await subjects()).toContain('app.worst');
    await record('warning');
    expect(await subjects()).not.toContain('app.worst');
    expect(await subjects()).toHaveLength(20);
  });

  it('says since when something is wrong, and since when it is that bad', async () => {
    await db.sql`select nightshift.pause('for the test')`;
    const paused = async (): Promise<StatusFinding | undefined> => {
      const { health } = await lookAgain(db.sql);
      return health.items.find(({ check }) => check === 'paused');
    };
    await paused();
    await passes('5 hours');
    const later = await paused();
    expect(ageOf(later?.since)).toBeGreaterThan(4.9 * hourMs);
    expect(ageOf(later?.levelSince)).toBeGreaterThan(4.9 * hourMs);

    await db.sql`select nightshift.set_health_threshold('paused', critical => 0)`;
    const worse = await paused();
    expect(worse).toMatchObject({ level: 'critical', threshold: 0 });
    expect(ageOf(worse?.since)).toBeGreaterThan(4.9 * hourMs);
    expect(ageOf(worse?.levelSince)).toBeLessThan(hourMs);

    // Over, and back again: then it is new.
    await db.sql`select nightshift.remove_health_threshold('paused')`;
    await db.sql`select nightshift.unpause()`;
    expect(await paused()).toBeUndefined();
    await db.sql`select nightshift.pause('again')`;
    expect(ageOf((await paused())?.since)).toBeLessThan(hourMs);
  });

  it('does not take for over what a check could not look at', async () => {
    await db.sql`select nightshift.pause('for the test')`;
    await lookAgain(db.sql);
    await passes('5 hours');
    await db.sql.unsafe('alter function nightshift.health_paused rename to health_away');
    const away = await lookAgain(db.sql);
    await db.sql.unsafe('alter function nightshift.health_away rename to health_paused');
    expect(away.health.items.find(({ check }) => check === 'paused')).toMatchObject({
      level: 'unknown',
      subject: null,
    });
    const { health } = await lookAgain(db.sql);
    const paused = health.items.filter(({ check }) => check === 'paused');
    expect(paused).toHaveLength(1);
    expect(ageOf(paused[0]?.since)).toBeGreaterThan(4.9 * hourMs);
  });

  it('is in the headline, the worst first', async () => {
    await db.sql`select nightshift.set_health_threshold('paused', critical => 0)`;
    await db.sql`select nightshift.pause('for the test')`;
    await lookAgain(db.sql);
    await passes('5 hours');
    const { headline } = await lookAgain(db.sql);
    await db.sql`select nightshift.remove_health_threshold('paused')`;
    expect(headline).toMatchObject({ level: 'critical', text: 'Pause of all jobs: all jobs' });
    expect(ageOf(headline.since ?? '')).toBeGreaterThan(4.9 * hourMs);
  });
});

describe('jobs in the snapshot', () => {
  it('have their state in a word, and their last thirty runs', async () => {
    const add = (job: string, status: string, ago: string, error: object | null = null) => db.sql`
      insert into nightshift.runs (job, trigger, requested_by, request_id, status, started_at, finished_at, error)
      select ${job}, 'cli', '<script>', gen_random_uuid(), ${status}, now() - ${ago}::interval,
        now() - ${ago}::interval + interval '1 minute', ${error === null ? null : db.sql.json(error as never)}`;
    for (let n = 1; n <= 40; n += 1) await add('retention-purge', 'succeeded', `${n} hours`);
    await add('view-refresh', 'failed', '1 hour', {
      code: '57014',
      message: 'It took too long',
      hint: 'Wait',
    });
    await add('table-vacuum', 'running', '1 hour');
    await db.sql`
      update nightshift.runs set heartbeat_at = finished_at, lease_expires_at = finished_at + lease, finished_at = null
      where job = 'table-vacuum'`;
    const { jobs } = await lookAgain(db.sql);
    const [purge, refresh, vacuum, partitions, health] = [
      'retention-purge',
      'view-refresh',
      'table-vacuum',
      'partition-maintenance',
      'health-check',
    ].map((name) => jobs.items.find(({ job }) => job === name));
    expect(purge).toMatchObject({ state: 'ok', usualDurationMs: 60_000, lastError: null });
    expect(purge?.runs).toHaveLength(30);
    const newest: StatusRun | undefined = purge?.runs[0];
    expect(newest).toMatchObject({ status: 'succeeded', requestedBy: '<script>' });
    expect(refresh).toMatchObject({
      state: 'failed',
      failedInRow: 1,
      lastError: { code: '57014', message: 'It took too long', hint: 'Wait' },
    });
    // Nobody has found it yet.
    const lost = { status: 'lost', finishedAt: expect.any(String) };
    expect(vacuum).toMatchObject({
      state: 'lost',
      lostInRow: 1,
      lastRun: lost,
      runs: [lost],
      lastError: { code: 'NS409', hint: expect.stringContaining('Look for its last log lines') },
    });
    expect(partitions).toMatchObject({ state: 'notUsed', lastRun: null, runs: [] });
    expect(health).toMatchObject({ state: 'running', lastRun: { status: 'running' } });
  });
});

describe('views in the snapshot', () => {
  it('have their age, their budget and all that they read, through ordinary views', async () => {
    await db.sql.unsafe(`
      create table app.items (a integer);
      create view app.through as select a from app.items;
      create materialized view app.low as select a from app.through;
      create materialized view app."hi""gh" as select low.a from app.low, app.items;
      select nightshift.add_refresh_policy('app.low'), nightshift.add_refresh_policy('app."hi""gh"');
      update nightshift.refresh_policies set data_as_of = now() - interval '2 hours', last_refreshed_at = now() - interval '1 hour';
      update nightshift.refresh_policies set data_as_of = now() - interval '2 days' where view = 'app.low'::regclass;`);
    const { views } = await lookAgain(db.sql);
    expect(views).toMatchObject({
      total: 2,
      items: [
        { view: 'app.low', state: 'stale', reads: ['app.items'], readsTotal: 1 },
        { view: 'app."hi""gh"', state: 'fresh', reads: ['app.items', 'app.low'], readsTotal: 2 },
      ],
    });
    const high: StatusView | undefined = views.items[1];
    expect(high?.ageSeconds).toBeGreaterThanOrEqual(7_200);
    expect(high?.budgetSeconds).toBe(93_600);
    await db.sql.unsafe('drop materialized view app."hi""gh"');
    expect((await lookAgain(db.sql)).views.items).toMatchObject([
      { state: 'stale' },
      { view: 'app."hi""gh"', state: 'gone', reads: [] },
    ]);
  });
});

describe('partitions in the snapshot', () => {
  it('are on a line of time, with the horizon, what is retired and when it goes, and rows without a partition', async () => {
    await db.sql.unsafe(`
      create table app.logs (at timestamptz not null) partition by range (at);
      create table app.rest partition of app.logs default;
      select nightshift.add_partition_policy('app.logs', '1 day', premake => 3);
      select nightshift.create_missing_partitions('app.logs');
      insert into app.logs values ('2001-01-01'), ('2001-01-02');
      create table app.logs_old (at timestamptz not null);
      insert into nightshift.retired_partitions
        (partition, partition_name, parent, parent_name, from_bound, to_bound, period, status, size_bytes, drop_after)
      values ('app.logs_old', 'app.logs_old', 'app.logs', 'app.logs', '', '', '[2001-02-01, 2001-02-02)', 'detached', 8192, now() + interval '3 days');`);
    const before = await lookAgain(db.sql);
    expect(before.partitions.items[0]?.defaultPartitionRows).toBeNull();
    const { partitions } = await lookAgain(db.sql, { quick: false });
    expect(partitions).toMatchObject({ total: 1, problem: null });
    const [logs]: StatusPartitions[] = partitions.items;
    expect(logs).toMatchObject({
      table: 'app.logs',
      interval: '1 day',
      endless: false,
      defaultPartitionRows: 2,
      partitionsTotal: 5,
      nextDrops: [{ name: 'app.logs_old', sizeBytes: 8192 }],
      problem: null,
    });
    expect(logs?.partitions[0]).toMatchObject({ name: 'app.logs_old', state: 'retired' });
    expect(logs?.partitions.at(-1)).toMatchObject({ to: logs?.horizon, state: 'attached' });
    await db.sql`drop table app.logs cascade`;
    const gone = await lookAgain(db.sql);
    expect(gone.partitions.items).toMatchObject([
      { table: 'app.logs', problem: 'Its table is gone.', horizon: null },
    ]);
  });
});

describe('a large installation', () => {
  it('has a snapshot that stays small, and says what was left out', async () => {
    await db.sql.unsafe(`
      do $$ begin
        for n in 1..500 loop
          execute format('create table app.t%s (id integer primary key, deleted_at timestamptz)', n);
        end loop;
        for n in 1..220 loop
          execute format('create materialized view app.v%s as select * from app.t%s', n, n);
        end loop;
      end $$;
      insert into nightshift.retention_policies (relation, relation_name, drop_after, marker_column, created_at)
      select c.oid, c.oid::regclass::text, '30 days', 'deleted_at', now() - interval '60 days'
      from pg_class c where c.relnamespace = 'app'::regnamespace and c.relkind = 'r';
      insert into nightshift.refresh_policies (view, view_name, max_staleness)
      select c.oid, c.oid::regclass::text, '1 day' from pg_class c where c.relnamespace = 'app'::regnamespace and c.relkind = 'm';
      insert into nightshift.runs (job, trigger, request_id, status, started_at, finished_at)
      select 'health-check', 'schedule', gen_random_uuid(), 'succeeded', now() - n * interval '1 minute', now() - n * interval '1 minute'
      from generate_series(1, 10000) n;`);
    for (let night = 0; night < 30; night += 1) {
      await purged(
        db.sql,
        night,
        Object.fromEntries(
          Array.from({ length: 500 }, (_, n) => [`app.t${n + 1}`, { purged: 5, left: n % 7 }]),
        ),
      );
    }
    const status = await lookAgain(db.sql);
    expect(status.retention).toMatchObject({ total: 500, problem: null });
    expect(status.retention.items).toHaveLength(200);
    expect(status.retention.counts).toEqual({ behind: 428, kept: 72 });
    expect(status.retention.items[0]?.backlog.length).toBeGreaterThan(25);
    expect(status.retention.items[60]?.backlog).toEqual([]);
    expect(status.views.total).toBe(220);
    expect(status.views.items).toHaveLength(200);
    expect(JSON.stringify(status).length).toBeLessThan(400_000);
  });
});
