import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { trends } from '../../functions/_shared/trends.ts';
import { setUpDatabase } from '../support/database.ts';
import { holdLock } from '../support/health.ts';
import { noteSizes, series } from '../support/trends.ts';

const db = setUpDatabase();

beforeEach(() => db.sql.unsafe('create schema app'));
afterEach(() =>
  db.sql.unsafe(`
    drop schema app cascade;
    truncate nightshift.trend_points, nightshift.runs;
    delete from nightshift.retention_policies;
    update nightshift.settings
    set trend_retention = default, size_limit_bytes = null, size_limit_kind = null;
  `),
);

/** As a health check does; hours from now, since each hour is noted once. */
const note = (hours = 0, bytes = 1e6) =>
  db.sql`select nightshift.note_trends(now() + make_interval(hours => ${hours}), ${bytes})`;

const pointsOf = (subject: string) =>
  db.sql`select * from nightshift.trend_points where subject = ${subject} order by at`;

const describeTrends = async (table?: string) => {
  const [row] =
    await db.sql`select nightshift.describe_trends(now(), ${table ?? null}) as document`;
  return trends.parse(row?.document);
};

const toldSubjects = async () => {
  const rows = await db.sql<{ subject: string }[]>`
    select distinct subject from nightshift.trend_points where kind = 'table' order by 1`;
  return rows.map(({ subject }) => subject);
};

/** As a vacuum would write it: the higher the number in a name, the larger the table. */
const setPages = (prefix: string) =>
  db.sql`
    update pg_class set relpages = 1000 * substr(relname, 1 + length(${prefix}))::integer
    where relnamespace = 'app'::regnamespace and relname ~ ${`^${prefix}[0-9]+$`}`;

describe('what is noted', () => {
  it('is the highest size of the database in an hour, and its connections', async () => {
    await note(0, 5e6);
    await note(0, 8e6);
    await note(0, 6e6);
    await note(1, 7e6);
    expect(await pointsOf('')).toMatchObject([
      { kind: 'database', bytes: '8000000', connections: expect.any(Number) },
      { bytes: '7000000' },
    ]);
    const [first] = await pointsOf('');
    expect(first?.connections).toBeGreaterThan(0);
  });

  it('is of a table its size with indexes and long values, its rows as they were last estimated, and its dead rows', async () => {
    await db.sql.unsafe(`
      create table app."Odd ""table""" (id integer primary key, note text);
      alter table app."Odd ""table""" alter note set storage external;
      insert into app."Odd ""table""" select n, repeat('x', 3000) from generate_series(1, 500) n;
      analyze app."Odd ""table""";
      delete from app."Odd ""table""" where id <= 100;
      select pg_stat_force_next_flush();
    `);
    await note();
    const name = 'app."Odd ""table"""';
    const [size] = await db.sql<{ bytes: string }[]>`
      select pg_total_relation_size(${name}::regclass) as bytes`;
    expect(await pointsOf(name)).toMatchObject([
      { kind: 'table', bytes: size?.bytes, live_rows: '500', dead_rows: '100', rows_left: null },
    ]);
  });

  it('is of a partitioned table that of all its partitions together, which have no line of their own', async () => {
    await db.sql.unsafe(`
      create table app.logs (id integer, day integer) partition by range (day);
      create table app.logs_1 partition of app.logs for values from (1) to (2);
      create table app.logs_2 partition of app.logs for values from (2) to (9) partition by list (day);
      create table app.logs_2_3 partition of app.logs_2 for values in (3);
      insert into app.logs select n, 1 + 2 * (n % 2) from generate_series(1, 3000) n;
      analyze app.logs_1, app.logs_2_3;
    `);
    await note();
    expect((await toldSubjects()).filter((name) => name.startsWith('app.'))).toEqual(['app.logs']);
    const [size] = await db.sql<{ bytes: string }[]>`
      select pg_total_relation_size('app.logs_1') + pg_total_relation_size('app.logs_2_3') as bytes`;
    expect(await pointsOf('app.logs')).toMatchObject([{ bytes: size?.bytes, live_rows: '3000' }]);
  });

  it('is noted of tables once an hour, before a purge as well as after it', async () => {
    await db.sql`create table app.items1 as select n as id from generate_series(1, 10000) n`;
    await setPages('items');
    await note();
    await db.sql`truncate app.items1`;
    await setPages('items');
    await note();
    await note(1);
    const [before, after, ...rest] = await pointsOf('app.items1');
    expect(Number(before?.bytes)).toBeGreaterThan(100_000);
    expect(after?.bytes).toBe('0');
    expect(rest).toEqual([]);
  });

  it('is of the 20 largest tables, and of those with a policy, however many there are', async () => {
    await db.sql.unsafe(`
      do $$ begin
        for n in 1..60 loop
          execute format('create table app.t%s (id integer primary key, deleted_at timestamptz)', n);
        end loop;
      end $$;
      create index on app.t1 (deleted_at);
      select nightshift.add_retention_policy('app.t1', '30 days');
    `);
    await setPages('t');
    await note();
    const largest = Array.from({ length: 20 }, (_, n) => `app.t${60 - n}`);
    expect(await toldSubjects()).toEqual(['app.t1', ...largest].toSorted());
  });

  it('leaves out a table that is locked meanwhile, and keeps the others', async () => {
    await db.sql`create table app.t2 as select 1 as id`;
    await db.sql`create table app.t1 as select 1 as id`;
    await setPages('t');
    const release = await holdLock(db, 'app.t2');
    try {
      await note();
    } finally {
      await release();
    }
    const told = await toldSubjects();
    expect(told).toContain('app.t1');
    expect(told).not.toContain('app.t2');
    await note(1);
    expect(await toldSubjects()).toContain('app.t2');
  });

  it('keeps no lock on a table once its size is known', async () => {
    await db.sql`create table app.t1 (id integer primary key)`;
    await setPages('t');
    await db.sql.begin(async (sql) => {
      await sql`select nightshift.note_trends(now(), 1)`;
      expect(
        await sql`
          select relation::regclass from pg_locks
          where pid = pg_backend_pid() and relation in ('app.t1'::regclass, 'app.t1_pkey'::regclass)`,
      ).toEqual([]);
    });
    expect(await toldSubjects()).toContain('app.t1');
  });

  it('is what the last purge left of a table', async () => {
    await db.sql`create table app.items1 (id integer primary key)`;
    await setPages('items');
    await db.sql`
      insert into nightshift.runs (job, trigger, request_id, status, started_at, finished_at, report)
      values ('retention-purge', 'schedule', gen_random_uuid(), 'partial', now() - interval '1 hour', now() - interval '50 minutes',
        ${db.sql.json({ steps: [{ relation: 'app.items1', dueRows: 90, rowsLeft: 40 }] })})`;
    await note();
    expect(await pointsOf('app.items1')).toMatchObject([{ rows_left: '40' }]);
  });

  it('is how long the longest whole run of a job took, also when it ended before an hour without a health check', async () => {
    const ran = (
      job: string,
      hoursAgo: number,
      seconds: number,
      input: object = {},
      status = 'succeeded',
      report: object | null = null,
    ) => db.sql`
      insert into nightshift.runs (job, trigger, request_id, status, input, started_at, finished_at, report)
      select ${job}, 'schedule', gen_random_uuid(), ${status}, ${db.sql.json(input as never)}, h - make_interval(secs => ${seconds}), h,
        ${report && db.sql.json(report as never)}
      from (select date_trunc('hour', now(), 'UTC') - make_interval(hours => ${hoursAgo}) + interval '20 minutes' as h) ended`;
    await ran('retention-purge', 2000, 30);
    await note(-6);
    await ran('retention-purge', 4, 50);
    await ran('retention-purge', 4, 70, {}, 'partial');
    await ran('retention-purge', 4, 90, {}, 'failed');
    // Without the pauses that it made for others, it was quicker.
    await ran('retention-purge', 4, 900, {}, 'succeeded', {
      steps: [
        { relation: 'app.a', pacedMs: 800_000 },
        { relation: 'app.b', pacedMs: 50_000 },
        { relation: 'app.c' },
      ],
    });
    await ran('retention-purge', 4, 90, { only: ['app.items'] });
    await ran('health-check', 3, 9, { quick: false });
    await ran('health-check', 3, 90, { quick: true });
    await note();
    expect(await pointsOf('retention-purge')).toMatchObject([
      { kind: 'job', duration_ms: '30000' },
      { kind: 'job', duration_ms: '70000' },
    ]);
    expect(await pointsOf('health-check')).toMatchObject([{ kind: 'job', duration_ms: '9000' }]);
  });
});

describe('the history', () => {
  it('keeps hours for 7 days, then one row a day with the highest figures, until it is too old', async () => {
    await db.sql`
      insert into nightshift.trend_points (kind, subject, at, bytes, connections, rows_left)
      select 'database', '', date_trunc('hour', now(), 'UTC') - make_interval(hours => n), 1000 + n % 24, n % 5, n % 7
      from generate_series(0, 24 * 20) n`;
    const before = await db.sql`
      select day, bytes, connections, rows_left from nightshift.daily_points('database', '', now(), 20)`;
    await db.sql`
      insert into nightshift.trend_points (kind, subject, at, bytes)
      select 'database', '', now() - make_interval(days => n), 1 from unnest(array[399, 401]) n`;
    for (let call = 0; call < 2; call++) {
      await db.sql`select nightshift.trim_trends(now())`;
      const [kept] = await db.sql`
        select count(*) filter (where at >= date_trunc('day', now(), 'UTC') - interval '7 days')::integer as hours,
          count(*) filter (where at < date_trunc('day', now(), 'UTC') - interval '7 days')::integer as days,
          extract(hour from now() at time zone 'UTC')::integer as hour
        from nightshift.trend_points where bytes <> 1`;
      expect(kept?.hours).toBe(7 * 24 + kept?.hour + 1);
      // Of the 20 days that the hours went back, the day that they began on included.
      expect(kept?.days).toBe(13);
      expect(await db.sql`select from nightshift.trend_points where bytes = 1`).toHaveLength(1);
      const after = await db.sql`
        select day, bytes, connections, rows_left from nightshift.daily_points('database', '', now(), 20)`;
      expect(after).toEqual(before);
    }
  });

  it('has a retention of its own', async () => {
    await noteSizes(
      db.sql,
      series(100, (day) => day + 1),
    );
    await db.sql`update nightshift.settings set trend_retention = '60 days'`;
    await db.sql`select nightshift.trim_trends(now())`;
    expect(await pointsOf('')).toHaveLength(60);
    await expect(
      db.sql`update nightshift.settings set trend_retention = '59 days'`,
    ).rejects.toThrow(/settings_trend_retention_check/);
  });
});

describe('describe_trends', () => {
  it('of an empty history says so, in the documented shape', async () => {
    expect(await describeTrends()).toMatchObject({
      since: null,
      database: {
        daily: { days: [], bytes: [] },
        forecast: { state: 'no limit' },
        growth: { points: 0 },
      },
      tables: [],
      jobs: [],
    });
  });

  it('has at most 120 days of the database, the 10 largest tables and the jobs', async () => {
    await noteSizes(
      db.sql,
      series(150, (day) => 1e6 + 100 * day),
    );
    for (let table = 1; table <= 12; table++) {
      await noteSizes(
        db.sql,
        series(150, (day) => 1e8 * table + day),
        {
          kind: 'table',
          subject: `app.t${table}`,
        },
      );
    }
    await note();
    const { database, tables } = await describeTrends();
    expect(database.daily.days).toHaveLength(120);
    expect(database.daily.bytes).toHaveLength(120);
    expect(database.growth).toMatchObject({
      points: 28,
      bytesPerDay7: 100,
      bytesPerDay28: 100,
      stepOn: null,
    });
    expect(tables).toHaveLength(10);
    expect(tables.slice(0, 2)).toMatchObject([{ table: 'app.t12' }, { table: 'app.t11' }]);
    for (const { daily } of tables) {
      expect(daily.days.length).toBeLessThanOrEqual(120);
      for (const values of Object.values(daily)) expect(values).toHaveLength(daily.days.length);
    }
  });

  it('has one table when asked, also a smaller one, and says how to name it when there is no such history', async () => {
    await noteSizes(
      db.sql,
      series(20, (day) => 50 + day),
      { kind: 'table', subject: 'app."Small"' },
    );
    const { tables } = await describeTrends('app."Small"');
    expect(tables).toMatchObject([{ table: 'app."Small"', growth: { bytesPerDay28: 1 } }]);
    await expect(describeTrends("app.x'; drop")).rejects.toMatchObject({
      code: 'NS404',
      hint: expect.stringContaining('public.orders'),
    });
  });

  it('goes by days in UTC, wherever the session is', async () => {
    // In New York the clocks go forward on 8 March 2026, and the day begins at 4 or 5 in UTC.
    await db.sql`
      insert into nightshift.trend_points (kind, subject, at, bytes)
      select 'database', '', '2026-03-20T00:00:00Z'::timestamptz - make_interval(hours => n), 1e6 + 1000 * ((480 - n) / 24)
      from generate_series(0, 480) n`;
    const inZone = (zone: string) =>
      db.sql.begin(async (sql) => {
        await sql`select set_config('timezone', ${zone}, true)`;
        const [row] =
          await sql`select nightshift.describe_trends('2026-03-20T00:00:00Z') as document`;
        return trends.parse(row?.document);
      });
    const there = await inZone('America/New_York');
    expect(there).toEqual(await inZone('UTC'));
    expect(there.database.growth).toMatchObject({ points: 20, bytesPerDay7: 1000 });
    expect(there.database.daily.days.at(-1)).toBe('2026-03-20');
  });

  it('says since when a purge leaves rows, and since when a job is slower than usual', async () => {
    const { sql } = db;
    const daily = (kind: string, subject: string, column: string, values: number[]) => sql`
      insert into nightshift.trend_points (kind, subject, at, ${sql(column)})
      select ${kind}, ${subject}, date_trunc('day', now(), 'UTC') - make_interval(days => ${values.length} - n::integer), v
      from unnest(${values}::bigint[]) with ordinality u(v, n)`;
    const dayBefore = async (days: number) => {
      const [row] = await sql<{ day: string }[]>`
        select to_char((now() at time zone 'UTC')::date - ${days}::integer, 'YYYY-MM-DD') as day`;
      return row?.day;
    };
    await daily('table', 'app.behind', 'rows_left', [0, 9, 0, 5, 6, 7]);
    await daily('table', 'app.done', 'rows_left', [5, 6, 0]);
    // This morning's purge left none, after yesterday's had.
    await sql`
      insert into nightshift.trend_points (kind, subject, at, rows_left)
      select 'table', 'app.caught_up', date_trunc('day', now(), 'UTC') + make_interval(secs => n), 9 - n
      from unnest(array[0, 9]) n`;
    expect((await describeTrends('app.caught_up')).tables).toMatchObject([
      { rowsLeftSince: null, daily: { rowsLeft: [0] } },
    ]);
    await daily('job', 'view-refresh', 'duration_ms', [100, 110, 500, 100, 90, 300, 310]);
    await daily('job', 'retention-purge', 'duration_ms', [100, 300, 100]);
    const since = await describeTrends('app.behind');
    expect(since.tables).toMatchObject([{ rowsLeftSince: await dayBefore(2) }]);
    expect((await describeTrends('app.done')).tables).toMatchObject([{ rowsLeftSince: null }]);
    expect(since.jobs).toMatchObject([
      { job: 'retention-purge', lastMs: 100, usualMs: 200, slowerSince: null },
      { job: 'view-refresh', lastMs: 310, usualMs: 105, slowerSince: await dayBefore(1) },
    ]);
  });
});

describe('the forecast', () => {
  const forecast = async () => (await describeTrends()).database.forecast;
  const limit = (bytes: number, kind: string) =>
    db.sql`update nightshift.settings set size_limit_bytes = ${bytes}, size_limit_kind = ${kind}`;
  const daysUntilFull = async () => {
    const [row] = await db.sql`select value, detail from nightshift.health_days_until_full(now())`;
    return row;
  };

  it('is none without a limit, and takes a limit only with its kind', async () => {
    await noteSizes(
      db.sql,
      series(28, (day) => 90e6 + 1e6 * day),
    );
    expect(await forecast()).toMatchObject({
      state: 'no limit',
      limitBytes: null,
      earliestDays: null,
    });
    expect(await daysUntilFull()).toMatchObject({ value: null });
    await expect(db.sql`update nightshift.settings set size_limit_bytes = 1`).rejects.toThrow(
      /settings_size_limit/,
    );
    await expect(limit(1, 'moon')).rejects.toThrow(/settings_size_limit_kind_check/);
  });

  it('is a range of days by the last 7 and the last 28', async () => {
    await noteSizes(
      db.sql,
      series(28, (day) => 60e6 + 1e6 * day + (day > 20 ? 1e6 * (day - 20) : 0)),
    );
    await limit(127e6, 'plan');
    // 94 MB are used; 33 MB are left, at 2 MB a day or at about half of that.
    const { state, earliestDays, latestDays, usedPercent } = await forecast();
    expect({ state, earliestDays, usedPercent }).toEqual({
      state: 'growing',
      earliestDays: 16,
      usedPercent: 74,
    });
    expect(latestDays).toBeGreaterThan(20);
    expect(latestDays).toBeLessThanOrEqual(33);
    expect(await daysUntilFull()).toMatchObject({ value: `${latestDays}` });
  });

  it('is silent below 60%, and with fewer than 14 days', async () => {
    await noteSizes(
      db.sql,
      series(28, (day) => 60e6 + 1e6 * day),
    );
    await limit(148e6, 'database');
    expect(await forecast()).toMatchObject({ state: 'room', earliestDays: null, latestDays: null });
    await limit(143e6, 'database');
    expect(await forecast()).toMatchObject({ state: 'growing', earliestDays: 56 });
    await db.sql`delete from nightshift.trend_points where at < date_trunc('day', now(), 'UTC') - interval '13 days'`;
    expect(await forecast()).toMatchObject({ state: 'no history', latestDays: null });
    expect((await daysUntilFull())?.detail).toMatch(/sizes of 13 whole days/);
  });

  it('does not alarm where only one of the two windows grows', async () => {
    await noteSizes(
      db.sql,
      series(28, (day) => 90e6 + (day > 20 ? 1e6 * (day - 20) : 0)),
    );
    await limit(100e6, 'plan');
    expect(await forecast()).toMatchObject({ state: 'growing', earliestDays: 3, latestDays: null });
    expect(await daysUntilFull()).toMatchObject({
      value: null,
      detail: expect.stringContaining('3 days at the faster pace'),
    });
    // And what is silent does not claim that there is room by both.
    const [check] =
      await db.sql`select healthy from nightshift.health_checks where name = 'days_until_full'`;
    expect(check?.healthy).toMatch(/^By at least one of .* nightshift trends/);
  });

  it('is that it does not get full where nothing grows, or only in more than a year', async () => {
    await noteSizes(
      db.sql,
      series(28, (day) => 90e6 - 1000 * day),
    );
    await limit(100e6, 'plan');
    expect(await forecast()).toMatchObject({ state: 'not growing', earliestDays: null });
    await db.sql`truncate nightshift.trend_points`;
    await noteSizes(
      db.sql,
      series(28, (day) => 90e6 + 20_000 * day),
    );
    expect(await forecast()).toMatchObject({ state: 'not growing', earliestDays: null });
  });

  it('is that it is full when it is, however short the history', async () => {
    await noteSizes(db.sql, [101e6]);
    await limit(100e6, 'plan');
    expect(await forecast()).toMatchObject({ state: 'full', earliestDays: 0, latestDays: 0 });
    expect(await daysUntilFull()).toMatchObject({ value: '0' });
  });

  it('leaves the write-ahead log its part of a disk, and of nothing else', async () => {
    await noteSizes(
      db.sql,
      series(28, () => 90e6),
    );
    await limit(10e9, 'disk');
    const onDisk = await forecast();
    expect(onDisk.walBytes).toBeGreaterThan(1e6);
    expect(onDisk.usedBytes).toBe(90e6 + (onDisk.walBytes ?? 0));
    await limit(10e9, 'plan');
    expect(await forecast()).toMatchObject({ walBytes: null, usedBytes: 90e6 });
  });
});
