import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { withDirect } from '../support/direct.ts';
import { partitionsOf, runMaintenance, stepOf } from '../support/partitions.ts';
import { runPurge, stepOf as stepOfPurge } from '../support/purge.ts';
import { checksum } from '../support/rows.ts';

const asOf = '2026-03-15T12:00:00Z';
const db = setUpDatabase();

/** A year of months up to asOf, a row in the middle of each. */
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    create table app.m (day date not null, v text) partition by range (day);
    select nightshift.add_partition_policy('app.m', '1 month', premake => 1, retention => '6 months', retire => 'drop', max_fraction => 1);
    create table app.old partition of app.m for values from ('2025-04-01') to ('2025-05-01');
    select nightshift.create_missing_partitions('app.m', '2025-09-15');
    select nightshift.create_missing_partitions('app.m', '${asOf}');
    insert into app.m select '2025-04-15'::date + make_interval(months => n), n::text from generate_series(0, 11) n`);
});

const alter = (args: string) =>
  db.sql.unsafe(`select nightshift.alter_partition_policy('app.m', ${args})`);
const attached = async () => Object.keys(await partitionsOf(db.sql, 'app.m'));
const maintain = (input = {}, options = {}) => runMaintenance(db, input, { asOf, ...options });
const retired = () => db.sql<
  { name: string; status: string; drops: boolean; from_bound: string }[]
>`
  select partition_name as name, status, drop_after is not null as drops, from_bound
  from nightshift.retired_partitions order by id`;
/** As if the partitions had been retired that long ago. */
const age = (interval: string) => db.sql`
  update nightshift.retired_partitions
  set retired_at = retired_at - ${interval}::interval, drop_after = drop_after - ${interval}::interval`;
/** Due at asOf: they ended on or before 2025-09-15. */
const due = ['app.old', 'app.m_2025_05', 'app.m_2025_06', 'app.m_2025_07', 'app.m_2025_08'];
const stayed = [
  'm_2025_09',
  'm_2025_10',
  'm_2025_11',
  'm_2025_12',
  'm_2026_01',
  'm_2026_02',
  'm_2026_03',
  'm_2026_04',
];

describe('a partition that is due', () => {
  it('is detached and stamped, out of the reach of the API, and dropped by a run after its grace', async () => {
    await db.sql.unsafe(`
      grant usage on schema app to anon; grant all on app.m_2025_05 to anon`);
    const first = await maintain();
    expect(first).toMatchObject({ run: { status: 'succeeded' }, report: { partitionsRetired: 5 } });
    expect(stepOf(first, 'app.m').retired[0]).toMatchObject({
      partition: 'app.old',
      from: '2025-04-01T00:00:00+00:00',
      to: '2025-05-01T00:00:00+00:00',
      sizeBytes: expect.any(Number),
    });
    expect(await attached()).toEqual(stayed);
    expect(await retired()).toEqual(
      due.map((name) => ({
        name,
        status: 'detached',
        drops: true,
        from_bound: expect.any(String),
      })),
    );
    expect(await db.sql`select v from app.old`).toEqual([{ v: '0' }]);
    expect(
      await db.sql`select has_table_privilege('anon', 'app.m_2025_05', 'select') as reads,
        (select relrowsecurity from pg_class where oid = 'app.m_2025_05'::regclass) as secured`,
    ).toEqual([{ reads: false, secured: true }]);
    await expect(db.sql`insert into app.old values ('2026-01-01')`).rejects.toThrow(
      'nightshift_retired',
    );

    // The grace counts by the real clock, by which more is due than at asOf.
    expect((await runMaintenance(db)).report).toMatchObject({ partitionsDropped: 0 });
    await db.sql`delete from nightshift.retired_partitions where partition_name <> all(${due})`;
    await age('6 days 23 hours');
    expect((await runMaintenance(db)).report.partitionsDropped).toBe(0);
    await age('1 hour');
    const last = await runMaintenance(db);
    expect(last.report.partitionsDropped).toBe(5);
    expect(stepOf(last, 'app.m').dropped[0]).toMatchObject({ partition: 'app.old' });
    expect((await retired()).map(({ status }) => status)).toEqual(due.map(() => 'dropped'));
    expect(await db.sql`select to_regclass('app.old') as gone`).toEqual([{ gone: null }]);
    expect((await runMaintenance(db)).report).toMatchObject({ partitionsDropped: 0 });
  });

  it('is detached without blocking anyone over the direct connection, where that can be', async () => {
    const statements: string[] = [];
    const result = await withDirect(db.url, (direct) =>
      maintain(
        {},
        {
          direct: {
            ...direct,
            execute: (statement: string, options: { timeoutMs: number; lockTimeoutMs: number }) => {
              statements.push(statement);
              return direct.execute(statement, options);
            },
          },
        },
      ),
    );
    expect(result.report.partitionsRetired).toBe(5);
    expect(statements[0]).toBe('alter table app.m detach partition app.old concurrently');
    expect(statements).toHaveLength(5);
    expect((await retired()).map(({ status }) => status)).toEqual(due.map(() => 'detached'));
    await db.sql`select nightshift.reattach_partition('app.old')`;
    expect(await attached()).toEqual([...stayed, 'old']);
  });

  it('is kept as a table of its own, when the policy says detach', async () => {
    await alter(`retire => 'detach'`);
    const result = await maintain();
    expect(stepOf(result, 'app.m').retired[0]).toMatchObject({
      partition: 'app.old',
      dropAfter: null,
    });
    await age('10 years');
    await alter(`retire => 'drop'`);
    expect((await runMaintenance(db)).report.partitionsDropped).toBe(0);
    expect(await db.sql`select v from app.old`).toHaveLength(1);
  });

  it('is named by a dry run, and stays', async () => {
    const result = await maintain({ dryRun: true });
    expect(result.report).toMatchObject({ partitionsRetired: 5, partitionsDropped: 0 });
    expect(stepOf(result, 'app.m').retired.map(({ partition }) => partition)).toEqual(due);
    expect(await attached()).toHaveLength(13);
    expect(await retired()).toEqual([]);
  });

  it('is not, when more would go than max_fraction allows, unless forced; room ahead is made anyway', async () => {
    await alter('max_fraction => 0.4');
    const next = '2026-04-01T00:00:00Z';
    const braked = await runMaintenance(db, {}, { asOf: next });
    expect(braked.run.status).toBe('partial');
    expect(stepOf(braked, 'app.m')).toMatchObject({
      status: 'partial',
      created: [{ partition: 'app.m_2026_05' }],
      error: { code: 'NS428', message: expect.stringContaining('6 of the 13 partitions') },
    });
    expect(await retired()).toEqual([]);
    expect((await maintain({ force: true })).report.partitionsRetired).toBe(5);
  });

  it('never is the newest, however long ago it ended', async () => {
    await db.sql`select nightshift.remove_partition_policy('app.m')`;
    await db.sql.unsafe(`
      create table app.n (day date not null) partition by range (day);
      create table app.n_1 partition of app.n for values from ('2020-01-01') to ('2020-02-01');
      create table app.n_2 partition of app.n for values from ('2020-02-01') to ('2020-03-01');
      select nightshift.add_partition_policy('app.n', '1 month', retention => '1 month', max_fraction => 1)`);
    const [row] = await db.sql`
      select a.due::regclass[]::text[] as due from nightshift.assess_partitions(array['app.n'::regclass::oid]) a`;
    expect(row?.due).toEqual(['app.n_1']);
  });

  it('cannot be made due by a clock that is ahead', async () => {
    const result = await runMaintenance(db, {}, { asOf: '2036-01-01T00:00:00Z' });
    // By the real clock all that ended half a year ago, of what there is for 2025 and 2026.
    const [today] = await db.sql`select (now() - interval '6 months')::date::text as day`;
    const bounds = await partitionsOf(db.sql, 'app.m');
    for (const bound of Object.values(bounds)) {
      expect(/TO \('(.*)'\)/.exec(bound)?.[1]).toSatisfy((to: string) => to > today?.day);
    }
    expect(result.run.status).toBe('succeeded');
  });

  it('stays while something needs it: a foreign key, or a view when it is to be dropped', async () => {
    await db.sql.unsafe(`
      create unique index on app.m (day);
      create table app.lines (day date references app.m (day));
      insert into app.lines values ('2025-05-15');
      create view app.june as select * from app.m_2025_06`);
    const result = await maintain();
    expect(result.run.status).toBe('partial');
    expect(stepOf(result, 'app.m')).toMatchObject({
      status: 'partial',
      blocked: [
        {
          partition: 'app.m_2025_05',
          reason: 'rows of it are still needed by foreign key lines_day_fkey on app.lines',
        },
        {
          partition: 'app.m_2025_06',
          reason: 'it could not be dropped later: needed by view app.june',
        },
      ],
    });
    expect(await attached()).toEqual(['m_2025_05', 'm_2025_06', ...stayed]);
    await alter(`retire => 'detach'`);
    expect((await maintain()).report.partitionsRetired).toBe(1);
    expect(await db.sql`select v from app.june`).toHaveLength(1);
  });
});

describe('a retired partition', () => {
  it('can be attached again, as it was, and is left alone until a retention is given', async () => {
    const before = await checksum(db.sql, 'app.m');
    const bounds = await partitionsOf(db.sql, 'app.m');
    await maintain();
    for (const name of due) await db.sql`select nightshift.reattach_partition(${name}::regclass)`;
    expect(await partitionsOf(db.sql, 'app.m')).toEqual(bounds);
    expect(await checksum(db.sql, 'app.m')).toBe(before);
    const again = await maintain();
    expect(again.report).toMatchObject({ partitionsRetired: 0, partitionsCreated: 0 });
    expect(stepOf(again, 'app.m').warnings).toEqual([
      expect.stringMatching(
        /^app.old, app.m_2025_05, app.m_2025_06 and 2 more: due, but attached again by hand/,
      ),
    ]);
    await alter(`retention => '6 months'`);
    expect((await maintain()).report.partitionsRetired).toBe(5);
  });

  it('can be attached again beside a default partition, and not where its time is taken', async () => {
    await maintain();
    await db.sql.unsafe(`
      create table app.rest partition of app.m default;
      select nightshift.reattach_partition('app.old');
      insert into app.m values ('2025-05-20', 'late')`);
    await expect(
      db.sql`select nightshift.reattach_partition('app.m_2025_05')`,
    ).rejects.toMatchObject({
      code: 'NS422',
      detail: expect.stringContaining('default partition'),
    });
    await db.sql.unsafe(`
      create table app.taken partition of app.m for values from ('2025-06-10') to ('2025-06-20')`);
    await expect(
      db.sql`select nightshift.reattach_partition('app.m_2025_06')`,
    ).rejects.toMatchObject({
      code: 'NS422',
    });
    await expect(
      db.sql`select nightshift.reattach_partition('app.m_2026_01')`,
    ).rejects.toMatchObject({
      code: 'NS404',
    });
    // Rows of its time that come late stay in the default partition, and do not take its place.
    const late = await maintain();
    expect(stepOf(late, 'app.m').defaultPartition).toEqual({
      partition: 'app.rest',
      rows: 1,
      movableRows: 0,
    });
  });

  it.each([
    ['renamed', 'alter table app.old rename to keep_me', 'app.keep_me', 4],
    ['moved', 'create schema app_old; alter table app.old set schema app_old', 'app_old.old', 4],
    [
      'attached by hand',
      `alter table app.m attach partition app.old for values from ('2025-04-01') to ('2025-05-01')`,
      'app.old',
      4,
    ],
    [
      'freed of its constraint',
      'alter table app.old drop constraint nightshift_retired',
      'app.old',
      4,
    ],
    ['read by a view', 'create view app.reader as select * from app.old', 'app.old', 4],
    ['inherited from', 'create table app.child () inherits (app.old)', 'app.old', 4],
    [
      'wanted longer',
      `select nightshift.alter_partition_policy('app.m', retention => '5 years')`,
      'app.old',
      0,
    ],
    [
      'given a longer grace',
      `select nightshift.alter_partition_policy('app.m', grace => '30 days')`,
      'app.old',
      0,
    ],
    [
      'to be kept by now',
      `select nightshift.alter_partition_policy('app.m', retire => 'detach')`,
      'app.old',
      0,
    ],
    [
      'of a policy switched off',
      `select nightshift.alter_partition_policy('app.m', enabled => false)`,
      'app.old',
      0,
    ],
    ['of a policy removed', `select nightshift.remove_partition_policy('app.m')`, 'app.old', 0],
  ])('is not dropped when it was %s', async (_, deed, name, dropped) => {
    await maintain();
    await age('8 days');
    await db.sql.unsafe(deed);
    expect((await runMaintenance(db)).report.partitionsDropped).toBe(dropped);
    expect(await db.sql.unsafe(`select v from ${name} where v = '0'`)).toHaveLength(1);
    await db.sql`drop schema if exists app_old cascade`;
  });

  it('that someone dropped, or attached again, is known to be so', async () => {
    await maintain();
    await db.sql.unsafe(`
      drop table app.m_2025_05;
      alter table app.m attach partition app.old for values from ('2025-04-01') to ('2025-05-01')`);
    await maintain();
    expect((await retired()).map(({ status }) => status)).toEqual([
      'reattached',
      'gone',
      'detached',
      'detached',
      'detached',
    ]);
    expect(await attached()).toContain('old');
  });
});

describe('the purge of a partitioned table', () => {
  it('leaves a partition to its retirement for two nights, says so, and then purges it', async () => {
    // Overdue by a day, as of the real clock, is app.m_2025_11; those before are overdue for longer.
    const overdueBy = (days: number) =>
      alter(`retention => (now()::date - date '2025-12-01' - ${days}) * interval '1 day'`);
    await db.sql.unsafe(`
      alter table app.m add deleted_at timestamptz; create index on app.m (deleted_at) where deleted_at is not null;
      update app.m set deleted_at = day;
      select nightshift.add_retention_policy('app.m', '8 months', max_fraction => 1)`);
    await overdueBy(1);
    const first = await runPurge(db);
    expect(stepOfPurge(first, 'app.m')).toMatchObject({ rowsPurged: 11, rowsLeft: 0 });
    expect(stepOfPurge(first, 'app.m').warnings).toContain(
      'app.m_2025_11: left to the partition policy of app.m.',
    );
    expect(await db.sql`select day::text from app.m`).toEqual([{ day: '2025-11-15' }]);

    await overdueBy(3);
    const second = await runPurge(db);
    expect(stepOfPurge(second, 'app.m')).toMatchObject({ rowsPurged: 1, warnings: [] });
  });

  it('leaves a partition alone that was attached again by hand', async () => {
    await maintain();
    await db.sql.unsafe(`
      select nightshift.reattach_partition('app.old');
      alter table app.m add deleted_at timestamptz; create index on app.m (deleted_at) where deleted_at is not null;
      update app.m set deleted_at = day;
      select nightshift.add_retention_policy('app.m', '8 months', max_fraction => 1)`);
    await runPurge(db);
    expect(await db.sql`select v from app.m order by day limit 1`).toEqual([{ v: '0' }]);
  });
});
