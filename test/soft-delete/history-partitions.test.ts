import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { partitionsOf, runMaintenance, stepOf } from '../support/partitions.ts';

const history = 'nightshift.deletion_events';
const db = setUpDatabase();

/** As after an installation: no table with soft delete was ever there. */
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    delete from nightshift.soft_delete_tables;
    truncate ${history};
    do $$
    declare
      partition regclass;
    begin
      for partition in
        select c.oid from pg_class c
        where c.relnamespace = 'nightshift'::regnamespace and c.relname like 'deletion\\_events\\_2%' and c.relkind = 'r'
      loop
        execute format('drop table %s', partition);
      end loop;
    end;
    $$;
    create table app.notes (id integer primary key);
    insert into app.notes select generate_series(1, 10);
  `);
});

async function monthsFrom(first: number, count: number): Promise<string[]> {
  const rows = await db.sql<{ name: string }[]>`
    select to_char(date_trunc('month', now() at time zone 'UTC') + make_interval(months => n), '"deletion_events_"YYYY_MM') as name
    from generate_series(${first}::integer, ${first + count - 1}::integer) n`;
  return rows.map(({ name }) => name);
}

const placed = () => db.sql<{ place: string; id: string }[]>`
  select tableoid::regclass::text as place, id from nightshift.deletion_events order by id`;

describe('the history', () => {
  it('has no policy on a fresh database, and nothing there is wrong', async () => {
    expect(await db.sql`select nightshift.list_partition_policies() as list`).toEqual([
      { list: [] },
    ]);
    const measures = await db.sql`
      select subject from nightshift.health_default_partition_rows(now())
      union all select subject from nightshift.health_partition_horizon(now())
      union all select subject from nightshift.health_job_missed(now()) where subject = 'partition-maintenance'`;
    expect(measures).toEqual([]);
  });

  it('is partitioned by month from the first table with soft delete on, under a policy like any other', async () => {
    await db.sql`select nightshift.enable_soft_delete('app.notes')`;
    expect(Object.keys(await partitionsOf(db.sql, history))).toEqual(
      [...(await monthsFrom(0, 3)), 'deletion_events_default'].sort(),
    );
    const [row] = await db.sql`select nightshift.list_partition_policies() as list`;
    expect(row?.list).toMatchObject([
      { table: history, every: '1 mon', premake: 2, retention: '1 year 1 mon', retire: 'drop' },
    ]);
    await db.sql`select nightshift.soft_delete('app.notes', '[1]')`;
    const [present] = await monthsFrom(0, 1);
    expect((await placed()).map(({ place }) => place)).toEqual([`nightshift.${present}`]);
    const [health] = await db.sql`
      select value, warning from nightshift.health_partition_horizon(now()) where subject = ${history}`;
    expect(Number(health?.value)).toBeGreaterThan(Number(health?.warning));
  });

  it('keeps the policy as somebody altered it, and stays without one that was removed', async () => {
    await db.sql`select nightshift.enable_soft_delete('app.notes')`;
    await db.sql`select nightshift.alter_partition_policy(${history}, retention => '3 years')`;
    await db.sql`select nightshift.enable_soft_delete('app.notes')`;
    expect(
      await db.sql`select retention = '3 years' as same from nightshift.partition_policies`,
    ).toEqual([{ same: true }]);
    await db.sql`select nightshift.remove_partition_policy(${history})`;
    await db.sql`select nightshift.enable_soft_delete('app.notes')`;
    expect(await db.sql`select parent from nightshift.partition_policies`).toEqual([]);
  });

  it('is made by a transaction that cannot make partitions, too, and takes every row until a run has', async () => {
    await db.sql.begin('isolation level repeatable read', async (sql) => {
      await sql`select nightshift.enable_soft_delete('app.notes')`;
    });
    await db.sql`select nightshift.soft_delete('app.notes', '[1]')`;
    expect((await placed()).map(({ place }) => place)).toEqual([`${history}_default`]);
    const result = await runMaintenance(db);
    expect(result.run.status).toBe('succeeded');
    const [present] = await monthsFrom(0, 1);
    expect((await placed()).map(({ place }) => place)).toEqual([`nightshift.${present}`]);
  });

  it('loses nothing where no partition is made for years: the default partition takes it', async () => {
    await db.sql`select nightshift.enable_soft_delete('app.notes')`;
    for (const name of await monthsFrom(0, 3)) await db.sql.unsafe(`drop table nightshift.${name}`);
    await db.sql`select nightshift.soft_delete('app.notes', '[1, 2]')`;
    await db.sql`select nightshift.restore('app.notes', '[2]')`;
    expect((await placed()).map(({ place }) => place)).toEqual([
      `${history}_default`,
      `${history}_default`,
    ]);
    expect(
      await db.sql`select subject, value::integer from nightshift.health_default_partition_rows(now())`,
    ).toEqual([{ subject: history, value: 2 }]);
  });

  it('lets go of a month by the policy: detached, and dropped after its grace', async () => {
    await db.sql`select nightshift.enable_soft_delete('app.notes')`;
    await db.sql`select nightshift.soft_delete('app.notes', '[1]')`;
    await db.sql`select nightshift.create_missing_partitions(${history}, now() - interval '15 months')`;
    await db.sql`update nightshift.deletion_events set at = at - interval '15 months'`;
    await db.sql`select nightshift.soft_delete('app.notes', '[2]')`;
    const [old, next] = await monthsFrom(-15, 2);
    const first = await runMaintenance(db);
    expect(stepOf(first, history)).toMatchObject({
      missing: 0,
      retired: [{ partition: `nightshift.${old}` }, { partition: `nightshift.${next}` }],
    });
    const listed = await db.sql`select nightshift.list_deletion_events() ->> 'keys' as keys`;
    expect(listed).toEqual([{ keys: '[2]' }]);
    await db.sql`
      update nightshift.retired_partitions
      set retired_at = retired_at - interval '7 days', drop_after = drop_after - interval '7 days'`;
    const last = await runMaintenance(db);
    expect(last.report.partitionsDropped).toBe(2);
    expect(await db.sql`select to_regclass(${`nightshift.${old}`}) as gone`).toEqual([
      { gone: null },
    ]);
  });

  it('is read by month: what is asked for since a moment touches no earlier partition', async () => {
    await db.sql`select nightshift.enable_soft_delete('app.notes')`;
    await db.sql`select nightshift.create_missing_partitions(${history}, now() - interval '3 months')`;
    await db.sql`select nightshift.create_missing_partitions(${history})`;
    const [old] = await monthsFrom(-3, 1);
    await db.sql.begin(async (sql) => {
      // Whoever would read it would wait for this lock.
      await sql.unsafe(`lock table nightshift.${old} in access exclusive mode`);
      const asked = db.connect();
      await asked`set lock_timeout = '50ms'`;
      for (let call = 0; call < 7; call += 1) {
        await asked`select nightshift.list_deletion_events(since => date_trunc('month', now()))`;
      }
      await expect(asked`select nightshift.list_deletion_events()`).rejects.toMatchObject({
        code: '55P03',
      });
    });
  });
});
