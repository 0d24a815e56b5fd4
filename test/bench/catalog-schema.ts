import postgres from 'postgres';

/** How much of everything there is. */
export interface Catalog {
  plainTables: number;
  policies: number;
  /** Partitioned by day of created_at; those of them that age by it have no due rows in any partition. */
  logs: { deleted: number; aged: number; partitions: number };
  /** Partitioned by ranges of id, in chains: each but the first refers to the one before it. */
  sets: { tables: number; partitions: number };
  views: number;
}

export const whole: Catalog = {
  plainTables: 2_000,
  policies: 100,
  logs: { deleted: 3, aged: 2, partitions: 1_000 },
  sets: { tables: 50, partitions: 100 },
  views: 20,
};

/** Half as many partitions, and half as many tables of each kind. */
export const half: Catalog = {
  plainTables: 1_000,
  policies: 50,
  logs: { ...whole.logs, partitions: 500 },
  sets: { ...whole.sets, tables: 25 },
  views: 10,
};

const setsOfChain = 5;

export function partitionsOf({ logs, sets }: Catalog): number {
  return (logs.deleted + logs.aged) * logs.partitions + sets.tables * sets.partitions;
}

/** A transaction a table or partition: all at once would need more locks than there are. */
export async function createCatalog(catalog: Catalog, databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice() {} });
  try {
    await sql.unsafe('create schema app; set client_min_messages = warning');
    await sql.unsafe(plainTablesSql(catalog));
    await sql.unsafe(logsSql(catalog));
    await sql.unsafe(setsSql(catalog));
    await sql.unsafe(viewsSql(catalog));
    await sql`vacuum analyze`;
    await sql.unsafe(policiesSql(catalog));
    await sql`select nightshift.adopt_refresh_policies('app')`;
  } finally {
    await sql.end();
  }
}

/** Rows that were deleted long ago: so many in each partition of one log. */
export async function markDueInLog(
  { logs }: Catalog,
  sql: postgres.Sql,
  rowsOfPartition: number,
): Promise<number> {
  const rows = logs.partitions * rowsOfPartition;
  await sql.unsafe(`
    insert into app.log_1 (id, created_at, deleted_at)
    select 1000 + n, now() - make_interval(days => n % ${logs.partitions}), now() - interval '60 days'
    from generate_series(0, ${rows - 1}) n`);
  return rows;
}

/** One in each partition of every table whose rows are marked as deleted. */
export async function markDueEverywhere(
  { logs, sets }: Catalog,
  sql: postgres.Sql,
): Promise<number> {
  for (let n = 1; n <= logs.deleted; n++) {
    await sql.unsafe(`
      insert into app.log_${n} (id, created_at, deleted_at)
      select 0, now() - make_interval(days => d), now() - interval '60 days' from generate_series(0, ${logs.partitions - 1}) d`);
  }
  for (let n = 1; n <= sets.tables; n++) {
    await sql.unsafe(`
      insert into app.set_${n} (id, deleted_at)
      select 1000 * part + 999, now() - interval '60 days' from generate_series(0, ${sets.partitions - 1}) part`);
  }
  return logs.deleted * logs.partitions + sets.tables * sets.partitions;
}

const plainTablesSql = ({ plainTables }: Catalog) => `
  do $$
  begin
    for n in 1..${plainTables} loop
      execute format('create table app.t_%1$s (id bigint generated always as identity primary key, deleted_at timestamptz,
        parent_id bigint %2$s)', n, case when n % 10 > 1 then format('references app.t_%s', n - 1) end);
      execute format('create index on app.t_%1$s (deleted_at); create index on app.t_%1$s (parent_id)', n);
      execute format('insert into app.t_%s (deleted_at) select null from generate_series(1, 20)', n);
      commit;
    end loop;
  end $$`;

const logsSql = ({ logs }: Catalog) => `
  do $$
  declare
    today constant timestamp := date_trunc('day', now() at time zone 'UTC');
  begin
    for n in 1..${logs.deleted + logs.aged} loop
      execute format('create table app.log_%1$s (id bigint, created_at timestamptz,
        deleted_at timestamptz, primary key (id, created_at)) partition by range (created_at)', n);
      execute format('create index on app.log_%1$s (deleted_at); create index on app.log_%1$s (created_at)', n);
      commit;
      for day in 0..${logs.partitions - 1} loop
        execute format('create table app.log_%1$s_%2$s partition of app.log_%1$s for values from (%3$L) to (%4$L)', n, day,
          (today - make_interval(days => day)) at time zone 'UTC', (today - make_interval(days => day - 1)) at time zone 'UTC');
        execute format('insert into app.log_%s_%s (id, created_at) select i, %L::timestamptz from generate_series(1, 10) i', n, day,
          (today - make_interval(days => day)) at time zone 'UTC');
        commit;
      end loop;
    end loop;
  end $$`;

const setsSql = ({ sets }: Catalog) => `
  do $$
  begin
    for n in 1..${sets.tables} loop
      execute format('create table app.set_%1$s (id bigint primary key, deleted_at timestamptz, parent_id bigint) partition by range (id)', n);
      execute format('create index on app.set_%1$s (deleted_at); create index on app.set_%1$s (parent_id)', n);
      commit;
      for part in 0..${sets.partitions - 1} loop
        execute format('create table app.set_%1$s_%2$s partition of app.set_%1$s for values from (%3$s) to (%4$s)',
          n, part, 1000 * part, 1000 * (part + 1));
        commit;
      end loop;
      if n % ${setsOfChain} <> 1 then
        execute format('alter table app.set_%s add foreign key (parent_id) references app.set_%s', n, n - 1);
      end if;
      execute format('insert into app.set_%s (id, parent_id)
        select 1000 * part + n, %s from generate_series(0, ${sets.partitions - 1}) part, generate_series(0, 19) n',
        n, case when n % ${setsOfChain} <> 1 then '1000 * part + n' else 'null' end);
      commit;
    end loop;
  end $$`;

const viewsSql = ({ views, logs }: Catalog) =>
  Array.from(
    { length: views },
    (_, n) => `
  create materialized view app.view_${n} as
    select s.id, count(l.id) as n, count(t.id) as m
    from app.set_${n + 1} s left join app.t_${n + 1} t on t.id = s.id left join app.log_${(n % logs.deleted) + 1} l on l.id = s.id
    group by s.id;
  create unique index on app.view_${n} (id);`,
  ).join('');

const policiesSql = ({ logs, sets, policies }: Catalog) => `
  do $$
  begin
    for n in 1..${logs.deleted} loop
      perform nightshift.add_retention_policy(format('app.log_%s', n)::regclass, '30 days', marker_column => 'deleted_at');
      commit;
    end loop;
    for n in ${logs.deleted + 1}..${logs.deleted + logs.aged} loop
      perform nightshift.add_retention_policy(format('app.log_%s', n)::regclass, '2000 days', marker_column => 'created_at');
      commit;
    end loop;
    for n in 1..${sets.tables} loop
      perform nightshift.add_retention_policy(format('app.set_%s', n)::regclass, '30 days', marker_column => 'deleted_at');
      commit;
    end loop;
    for n in 1..${policies - logs.deleted - logs.aged - sets.tables} loop
      perform nightshift.add_retention_policy(format('app.t_%s', n)::regclass, '30 days', marker_column => 'deleted_at');
      commit;
    end loop;
    for n in 1..${logs.deleted + logs.aged} loop
      perform nightshift.add_partition_policy(format('app.log_%s', n)::regclass, '1 day', premake => 4,
        retention => case when n = 1 then interval '3000 days' end);
      commit;
    end loop;
  end $$`;
