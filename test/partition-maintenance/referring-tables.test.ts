import { beforeEach, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runMaintenance, stepOf } from '../support/partitions.ts';

const db = setUpDatabase();

/** Orders, their lines, and what was sent of a line: each partitioned by the same day, with a row of 2020 and one of now. */
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    create table app.a_orders (id bigint, day date, primary key (id, day)) partition by range (day);
    create table app.m_lines (
      id bigint, day date, order_id bigint, primary key (id, day), foreign key (order_id, day) references app.a_orders
    ) partition by range (day);
    create table app.z_parcels (line_id bigint, day date, foreign key (line_id, day) references app.m_lines)
    partition by range (day);
    create index on app.m_lines (order_id, day);
    create index on app.z_parcels (line_id, day);
    create table app.a_2020 partition of app.a_orders for values from ('2020-01-01') to ('2021-01-01');
    create table app.m_2020 partition of app.m_lines for values from ('2020-01-01') to ('2021-01-01');
    create table app.z_2020 partition of app.z_parcels for values from ('2020-01-01') to ('2021-01-01');`);
});

const tables = ['app.a_orders', 'app.m_lines', 'app.z_parcels'] as const;

async function declare(retire: 'detach' | 'drop'): Promise<Record<string, string[]>> {
  const warnings: Record<string, string[]> = {};
  for (const table of tables) {
    const [row] = await db.sql`
      select nightshift.add_partition_policy(${table}, '1 year', retention => '15 months', retire => ${retire}) -> 'warnings' as said,
        nightshift.create_missing_partitions(${table})`;
    warnings[table] = row?.said;
  }
  await db.sql.unsafe(`
    insert into app.a_orders values (1, '2020-05-05'), (2, current_date);
    insert into app.m_lines values (1, '2020-05-05', 1), (2, current_date, 2);
    insert into app.z_parcels values (1, '2020-05-05'), (2, current_date)`);
  return warnings;
}

it.each(['detach', 'drop'] as const)(
  'tables that refer to each other are retired in one night, to %s',
  async (retire) => {
    await declare(retire);
    const night = await runMaintenance(db);
    expect(night.run.status).toBe('succeeded');
    expect(
      tables.flatMap((table) => stepOf(night, table).retired.map(({ partition }) => partition)),
    ).toEqual(['app.a_2020', 'app.m_2020', 'app.z_2020']);
    expect((await runMaintenance(db)).run.status).toBe('succeeded');
    for (const table of tables) expect(await db.sql.unsafe(`select from ${table}`)).toHaveLength(1);
  },
);

it('what comes back has its keys again, in the order that these ask for', async () => {
  await declare('detach');
  await runMaintenance(db);
  const reattach = (partition: string) =>
    db.sql`select nightshift.reattach_partition(${partition})`;
  await expect(reattach('app.m_2020')).rejects.toMatchObject({ code: 'NS422' });
  for (const partition of ['app.a_2020', 'app.m_2020', 'app.z_2020']) await reattach(partition);
  for (const table of tables) {
    expect(await db.sql.unsafe(`select from ${table}`)).toHaveLength(2);
  }
  await expect(db.sql`insert into app.m_2020 values (3, '2020-05-06', 99)`).rejects.toMatchObject({
    code: '23503',
  });
});

it('says when a table is declared that another one will hold its partitions', async () => {
  const warnings = await declare('detach');
  expect(warnings['app.a_orders']).toEqual([
    expect.stringMatching(
      /^app\.m_lines refers to it and keeps its rows, so partitions .* are not retired/,
    ),
  ]);
  expect(warnings['app.z_parcels']).toEqual([]);
  const said = async () =>
    (
      await db.sql<{ warnings: string[] }[]>`
        select p -> 'warnings' as warnings from jsonb_array_elements(nightshift.list_partition_policies()) p
        where p ->> 'table' = 'app.a_orders'`
    )[0]?.warnings;
  expect(await said()).toEqual([]);
  await db.sql`select nightshift.alter_partition_policy('app.m_lines', retention => '2 years')`;
  const [warning] = (await said()) ?? [];
  await db.sql.unsafe(/Fix: (.*)$/.exec(warning ?? '')?.[1] ?? '');
  expect(await said()).toEqual([]);
});
