import type { Sql } from 'postgres';

/** What the application has, all of it in a schema of its own that nothing else uses. */
export interface Application {
  schema: string;
  orders: string;
  ordersByDay: string;
  events: string;
}

export const dueOrders = 20;
export const allOrders = 100;
export const premake = 2;

export function applicationIn(schema: string): Application {
  return {
    schema,
    orders: `${schema}.orders`,
    ordersByDay: `${schema}.orders_by_day`,
    events: `${schema}.events`,
  };
}

/** A table with due rows, a view of it, a table that lacks partitions, and a policy for each. */
export async function create(sql: Sql, { schema, ...names }: Application): Promise<void> {
  await sql.unsafe(`
    begin;
    create schema ${schema};
    comment on schema ${schema} is 'Made by npm run smoke of Nightshift, which drops it at its end.';
    create table ${names.orders} (id integer primary key, deleted_at timestamptz);
    insert into ${names.orders}
    select n, case when n <= ${dueOrders} then now() - interval '100 days' end from generate_series(1, ${allOrders}) n;
    create index on ${names.orders} (deleted_at);
    analyze ${names.orders};
    create materialized view ${names.ordersByDay} as
    select coalesce(deleted_at::date, 'epoch') as day, count(*) as orders from ${names.orders} group by 1;
    create unique index on ${names.ordersByDay} (day);
    create table ${names.events} (at timestamptz not null) partition by range (at);
    select nightshift.add_retention_policy('${names.orders}', '90 days');
    select nightshift.add_refresh_policy('${names.ordersByDay}');
    select nightshift.add_partition_policy('${names.events}', '1 day', premake => ${premake});
    commit;
  `);
}

/** The tables of Nightshift that have rows of the application, with how many: there are none when nothing was left behind. */
export async function traces(sql: Sql, schema: string): Promise<Record<string, number>> {
  const tables = await sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_catalog.pg_class c
    where c.relnamespace = 'nightshift'::regnamespace and c.relkind = 'r'`;
  const found: Record<string, number> = {};
  for (const { name } of tables) {
    const [row] = await sql.unsafe<{ rows: number }[]>(
      `select count(*)::integer as rows from ${name} t where t::text like $1`,
      [`%${schema}%`],
    );
    if (row && row.rows > 0) found[name] = row.rows;
  }
  return found;
}

/** Takes the application away, and with it its policies and what the ledger has of its runs. */
export async function remove(sql: Sql, { schema, ...names }: Application): Promise<void> {
  // First the policies: they know a table by its number, which Postgres may give to another one.
  await sql.unsafe(`
    begin;
    delete from nightshift.retention_policies where relation = to_regclass('${names.orders}');
    delete from nightshift.refresh_policies where view = to_regclass('${names.ordersByDay}');
    delete from nightshift.partition_policies where parent = to_regclass('${names.events}');
    delete from nightshift.view_refreshes where view_name = '${names.ordersByDay}';
    with runs as (
      delete from nightshift.runs where input::text like '%${schema}.%' returning id
    ), decisions as (
      delete from nightshift.purge_decisions where run_id in (select id from runs)
    ), pending as (
      delete from nightshift.purge_pending where run_id in (select id from runs)
    ), released as (
      delete from nightshift.purge_released where run_id in (select id from runs)
    )
    delete from nightshift.purge_counted where run_id in (select id from runs);
    drop schema if exists ${schema} cascade;
    commit;
  `);
}
