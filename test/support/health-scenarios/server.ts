import type { TestDatabase } from '../database.ts';
import { giveToCommoner, type HealthScenario } from '../health.ts';
import { noteSizes, series } from '../trends.ts';

/** What is set for a database holds for sessions that begin after that, so all of them begin anew. */
async function setReadOnly(db: TestDatabase, value: 'on' | 'off'): Promise<void> {
  const session = db.connect();
  const [row] = await session`select quote_ident(current_database()) as name`;
  await session.unsafe(
    `begin read write; alter database ${row?.name} set default_transaction_read_only = ${value}; commit`,
  );
  await session`
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`;
  await session.end();
}

export const serverScenarios: HealthScenario[] = [
  {
    check: 'read_only',
    finding: { subject: /^database /, level: 'critical', detail: /as when the disk is full/ },
    sicken: (db) => setReadOnly(db, 'on'),
    mend: (db) => setReadOnly(db, 'off'),
    obstruct: async ({ sql }) => {
      await sql`revoke execute on function pg_is_in_recovery() from public`;
      return () => sql`grant execute on function pg_is_in_recovery() to public`;
    },
  },
  {
    check: 'connections',
    finding: { subject: 'all connections', level: 'critical', detail: /\d+ of \d+: \d+ active/ },
    sicken: async ({ sql }) => {
      await sql`select nightshift.set_health_threshold('connections', null, warning => 0.1, critical => 0.2)`;
    },
    mend: ({ sql }) => sql`select nightshift.remove_health_threshold('connections')`,
    obstruct: { revokeRole: 'pg_monitor' },
    unknown: /sees only its own sessions/,
  },
  {
    check: 'transaction_id_age',
    finding: {
      subject: /^database test_/,
      level: 'warning',
      detail:
        /^\d[\d,]{5,} transactions and [\d,]+ multixacts of 2,147,483,648; the oldest table is \w+\.\w+$/,
    },
    sicken: async ({ sql }) => {
      await sql.unsafe(`
        do $$ begin
          for i in 1..70000 loop perform pg_current_xact_id(); commit; end loop;
        end $$`);
      await sql`
        select nightshift.set_health_threshold('transaction_id_age', m.subject, warning => m.value)
        from nightshift.health_transaction_id_age(now()) m
        where m.subject = format('database %I', current_database())`;
    },
    mend: 'fix',
    obstruct: { revoke: 'pg_catalog.pg_database' },
  },
  {
    check: 'dead_tuples',
    finding: {
      subject: 'app."Draft"',
      level: 'warning',
      detail:
        /^30,000 dead and 0 live rows; autovacuum is switched off, last vacuumed by it never$/,
    },
    sicken: async (db) => {
      await db.sql.unsafe(`
        create table app."Draft" (id integer) with (autovacuum_enabled = off, autovacuum_vacuum_threshold = 5000);
        insert into app."Draft" select generate_series(1, 30000);
        delete from app."Draft";
        select pg_stat_force_next_flush()`);
      await giveToCommoner(db, 'table app."Draft"');
    },
    mend: 'fix',
    obstruct: { revoke: 'pg_catalog.pg_class' },
  },
  {
    check: 'cache_hit',
    finding: {
      subject: 'all tables and indexes',
      level: 'info',
      detail: /^[\d,]+ of [\d,]{9,} block reads had to ask the operating system/,
    },
    sicken: async ({ sql }) => {
      await sql`select nightshift.set_health_threshold('cache_hit', null, info => 100)`;
      // A row a page, 1,000 pages, 1,000 times.
      await sql.unsafe(`
        create table app.page (filler text) with (fillfactor = 10);
        insert into app.page select repeat('x', 1000) from generate_series(1, 1000);
        do $$ begin for i in 1..1000 loop perform count(*) from app.page; end loop; end $$;
        select pg_stat_force_next_flush()`);
    },
    mend: ({ sql }) => sql`select pg_stat_reset()`,
    obstruct: { revoke: 'pg_catalog.pg_stat_database' },
  },
  {
    check: 'sequences',
    finding: {
      subject: 'app."Order_id_seq"',
      level: 'critical',
      detail:
        /^at 2,000,000,000 of 2,147,483,647, for app\."Order"\.id \(integer\)\. The fix rewrites/,
    },
    sicken: async ({ sql }) => {
      await sql.unsafe(`
        create sequence app.spare as integer;
        create table app."Order" (id serial primary key);
        select setval('app."Order_id_seq"', 2000000000)`);
    },
    mend: 'fix',
    obstruct: { revoke: 'app.spare' },
  },
  {
    check: 'database_size',
    finding: { subject: /^database test_/, level: 'critical', detail: /^\d+ MB of 4883 kB$/ },
    sicken: async ({ sql }) => {
      await sql`update nightshift.settings set size_limit_bytes = 5000000, size_limit_kind = 'disk'`;
    },
    mend: ({ sql }) =>
      sql`update nightshift.settings set size_limit_bytes = null, size_limit_kind = null`,
    obstruct: sealDatabase,
  },
  {
    check: 'database_growth',
    finding: {
      subject: /^database test_/,
      level: 'warning',
      detail: /^from \d+ MB on \S+ to \d+ MB; in 8 days, extrapolated to 7$/,
    },
    sicken: async ({ sql }) => {
      await sql`
        insert into nightshift.trend_points (kind, subject, at, bytes)
        values ('database', '', now() - interval '8 days', pg_database_size(current_database()))`;
      await sql.unsafe(`
        create table app.heap (filler text);
        alter table app.heap alter column filler set storage plain;
        insert into app.heap select repeat('x', 8000) from generate_series(1, 15000)`);
    },
    mend: ({ sql }) => sql`drop table app.heap`,
    obstruct: { lock: 'nightshift.trend_points' },
  },
  {
    check: 'days_until_full',
    finding: {
      subject: /^database test_/,
      level: 'warning',
      detail:
        /^94 MB of 103 MB \(of the plan\), 91\.2%; in a straight line there is room for 9 days; grown most in a week: app\.heap by 6836 kB$/,
    },
    sicken: async ({ sql }) => {
      await noteSizes(
        sql,
        series(20, (day) => 80e6 + day * 1e6),
      );
      await noteSizes(
        sql,
        series(20, (day) => 70e6 + day * 1e6),
        {
          kind: 'table',
          subject: 'app.heap',
        },
      );
      await sql`
        update nightshift.settings
        set size_limit_bytes = 99e6 + 9.5e6, size_limit_kind = 'plan'`;
    },
    mend: async ({ sql }) => {
      await sql`update nightshift.settings set size_limit_bytes = null, size_limit_kind = null`;
      await sql`delete from nightshift.trend_points`;
    },
    obstruct: { lock: 'nightshift.trend_points' },
  },
  {
    check: 'slow_statements',
    finding: {
      subject: /^statement -?\d+$/,
      level: 'info',
      detail: /^100 calls in \d+ s altogether, by \w+$/,
    },
    sicken: async (db) => {
      const clients = Array.from({ length: 4 }, () => db.connect());
      const calls = Array.from({ length: 25 });
      await Promise.all(clients.flatMap((sql) => calls.map(() => sql`select pg_sleep(0.021)`)));
      await Promise.all(clients.map((sql) => sql.end()));
    },
    mend: ({ sql }) => sql`
      select extensions.pg_stat_statements_reset(0, oid, 0) from pg_database where datname = current_database()`,
    obstruct: async ({ sql }) => {
      await sql`drop extension pg_stat_statements`;
      return () => sql`create extension pg_stat_statements with schema extensions`;
    },
    unknown: /pg_stat_statements is not installed/,
  },
];

/** Whoever may not connect may not ask for the size either, unless they may see all statistics. */
async function sealDatabase({ sql, url }: TestDatabase) {
  const database = new URL(url).pathname.slice(1);
  await sql.unsafe(
    `revoke connect on database ${database} from public; revoke pg_monitor from commoner`,
  );
  return () =>
    sql.unsafe(`grant connect on database ${database} to public; grant pg_monitor to commoner`);
}
