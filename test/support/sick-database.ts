import type { Sql } from 'postgres';

export interface Sickness {
  check: string;
  /** What the finding is of; left out where any finding of the check will do. */
  subject?: string;
  /** For people: what was done to the database. */
  what: string;
}

/** What `makeSick` does, as far as SQL alone can do it. */
export const sicknesses: Sickness[] = [
  { check: 'transaction_id_age', what: 'a table not frozen for 1.8 billion transactions' },
  { check: 'dead_tuples', what: '15,000 of 20,000 rows dead, autovacuum off' },
  { check: 'sequences', what: 'a serial column at 2.1 billion' },
  { check: 'inactive_replication_slots', what: 'a replication slot that nobody reads' },
  { check: 'database_growth', what: 'a database that was a megabyte a week ago' },
  {
    check: 'unused_indexes',
    subject: 'sick.wide_value_idx',
    what: 'an index of 12 MB that was never read',
  },
  {
    check: 'duplicate_indexes',
    subject: 'sick.wide_kind_again',
    what: 'two indexes that are the same',
  },
  {
    check: 'duplicate_indexes',
    subject: 'sick.wide_made_at',
    what: 'an index on (a) beside one on (a, b)',
  },
  {
    check: 'invalid_indexes',
    subject: 'sick.emails_address_idx',
    what: 'a unique index whose build failed',
  },
  {
    check: 'invalid_indexes',
    subject: 'sick.by_region_region',
    what: 'a partitioned index that lacks a part',
  },
  {
    check: 'foreign_keys_without_index',
    subject: 'sick.lines (order_id)',
    what: 'a foreign key without an index',
  },
  {
    check: 'foreign_keys_without_index',
    subject: 'sick.refunds (order_id)',
    what: 'a foreign key with an index on some of its rows',
  },
  {
    check: 'views_not_populated',
    subject: 'sick.never_filled',
    what: 'a materialized view without data',
  },
  { check: 'stale_views', what: 'a materialized view three days past its budget' },
  {
    check: 'partitions_without_rls',
    subject: 'sick.letters_2026',
    what: 'a partition open past its table',
  },
  {
    check: 'views_exposed',
    subject: 'sick.totals',
    what: 'a materialized view that anon may read',
  },
  {
    check: 'nightshift_exposed',
    subject: 'nightshift.pause(text)',
    what: 'a function of Nightshift that anon may call',
  },
  { check: 'partition_horizon', what: 'a partitioned table whose last partition has ended' },
  { check: 'default_partition_rows', what: 'rows in a default partition' },
  { check: 'backlog_age', what: 'rows that were due 110 days ago' },
  { check: 'soft_deletes', what: '600 rows marked as deleted within the hour' },
  { check: 'soft_deleted_share', what: 'a table of which nine rows in ten are marked as deleted' },
  { check: 'policies_broken', what: 'a retention policy whose column is gone' },
  { check: 'job_missed', what: 'a job that has not run since it was declared three days ago' },
  { check: 'jobs_failing', what: 'a job that failed three times in a row' },
  { check: 'jobs_lost', what: 'a run that died' },
  { check: 'jobs_partial', what: 'a job that left something over three times in a row' },
];

/**
 * Makes a database sick in as many ways as SQL alone can. Needs a superuser: the age of a table is written into the catalog.
 * A replication slot belongs to the whole server, so it has to be undone before another test looks.
 */
export async function makeSick(sql: Sql): Promise<() => Promise<unknown>> {
  await sql.unsafe(structure);
  for (const statement of builds) await sql.unsafe(statement).catch(ignoreDuplicates);
  await sql.unsafe(rows);
  await sql.unsafe(policies);
  await sql.unsafe(ledger);
  await sql`select pg_create_physical_replication_slot(${slot}, true)`;
  const keeper = await sql.reserve();
  // Autovacuum comes by once a minute, and freezes what is as old as that, whatever the table says.
  await keeper`begin`;
  await keeper`lock table sick.old in share update exclusive mode`;
  await sql.unsafe(afterwards);
  return async () => {
    await keeper`rollback`;
    keeper.release();
    await sql`select pg_drop_replication_slot(${slot})`;
  };
}

const slot = 'nightshift_sick';

const structure = `
  create schema sick;
  grant usage on schema sick to anon, authenticated;

  create table sick.old (id integer) with (autovacuum_enabled = false);
  create table sick.churn (id integer) with (autovacuum_enabled = false);
  insert into sick.churn select n from generate_series(1, 20000) n;
  create table sick.counter (id serial primary key);
  select setval('sick.counter_id_seq', 2100000000);

  create table sick.wide (
    id bigint generated always as identity primary key, value integer, kind integer, made_at timestamptz
  );
  insert into sick.wide (value, kind, made_at) select n, n, now() - n * interval '1 minute' from generate_series(1, 60000) n;
  create index on sick.wide (value) with (fillfactor = 10);
  create index wide_kind on sick.wide (kind);
  create index wide_kind_again on sick.wide (kind);
  create index wide_made_at on sick.wide (made_at);
  create index on sick.wide (made_at, value);

  create table sick.orders (
    id bigint generated always as identity primary key, customer bigint, placed_at timestamptz, deleted_at timestamptz
  );
  create index on sick.orders (deleted_at) where deleted_at is not null;
  create table sick.lines (id bigint primary key, order_id bigint references sick.orders);
  create table sick.refunds (id bigint primary key, order_id bigint references sick.orders, amount integer);
  create index on sick.refunds (order_id) where amount > 100;

  create table sick.emails (address text);
  insert into sick.emails values ('twice@example.com'), ('twice@example.com');

  create table sick.by_region (id bigint, region text) partition by list (region);
  create table sick.by_region_north partition of sick.by_region for values in ('north');
  create index by_region_region on only sick.by_region (region);

  create materialized view sick.never_filled as select count(*) as n from sick.orders with no data;
  create materialized view sick.totals as select count(*) as n from sick.orders;
  grant select on sick.totals to anon;
  create materialized view sick.by_day as select 1 as day, count(*) as n from sick.wide;
  create unique index on sick.by_day (day);

  create table sick.letters (id bigint, at date) partition by range (at);
  create table sick.letters_2026 partition of sick.letters for values from ('2026-01-01') to ('2027-01-01');
  alter table sick.letters enable row level security;
  grant select on sick.letters, sick.letters_2026 to anon;

  create table sick.events (id bigint, at timestamptz not null) partition by range (at);
  create table sick.events_default partition of sick.events default;
  create table sick.events_2026_01 partition of sick.events
  for values from ('2026-01-01 00:00+00') to ('2026-02-01 00:00+00');
  insert into sick.events select n, now() from generate_series(1, 100) n;

  create table sick.broken (id bigint primary key, deleted_at timestamptz);
  create index on sick.broken (deleted_at);

  grant execute on function nightshift.pause to anon;
`;

/** Each outside of a transaction. */
const builds = ['create unique index concurrently on sick.emails (address)'];

function ignoreDuplicates(error: unknown) {
  if (!(error instanceof Error && 'code' in error && error.code === '23505')) throw error;
}

const rows = `
  insert into sick.orders (customer, placed_at, deleted_at)
  select n % 50, now() - interval '1 year', case
    when n <= 600 then now() - n * interval '5 seconds'
    when n <= 900 then now() - interval '200 days'
  end
  from generate_series(1, 1000) n;
  insert into sick.lines select n, n from generate_series(1, 1000) n;
  insert into sick.refunds select n, n, n from generate_series(1, 1000) n;
  delete from sick.churn where id > 5000;
  select pg_stat_force_next_flush();
`;

const policies = `
  select nightshift.add_retention_policy('sick.orders', '90 days');
  select nightshift.add_retention_policy('sick.broken', '90 days');
  alter table sick.broken drop column deleted_at;
  select nightshift.add_refresh_policy('sick.by_day');
  select nightshift.add_partition_policy('sick.events', '1 month');
  update nightshift.retention_policies set created_at = now() - interval '3 days';
  update nightshift.refresh_policies
  set created_at = now() - interval '5 days', data_as_of = now() - interval '4 days 2 hours';
  update nightshift.partition_policies set created_at = now() - interval '3 days';
`;

const ledger = `
  insert into nightshift.runs (job, trigger, request_id, status, started_at, finished_at)
  select r.job, 'schedule', gen_random_uuid(), r.status,
    now() - (4 - n) * interval '1 day', now() - (4 - n) * interval '1 day' + interval '1 minute'
  from (values ('view-refresh', 'failed'), ('partition-maintenance', 'lost'), ('health-check', 'partial')) r(job, status),
    generate_series(1, 3) n;
  create table sick.bulk (id integer, note text);
  alter table sick.bulk alter note set storage external;
  insert into sick.bulk select n, repeat('x', 8000) from generate_series(1, 15000) n;
  insert into nightshift.trend_points (kind, subject, at, bytes) values ('database', '', now() - interval '7 days', 1000000);
`;

const afterwards = `
  analyze sick.churn, sick.lines, sick.orders, sick.refunds, sick.wide;
  update pg_catalog.pg_class
  set relfrozenxid = ((pg_current_xact_id()::text::bigint + 4294967296 - 1800000000) % 4294967296)::text::xid
  where oid = 'sick.old'::regclass;
`;
