import { readdir, readFile } from 'node:fs/promises';
import postgres from 'postgres';
import { encryption } from '../../functions/_shared/direct.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';

const migrations = new URL('../../supabase/migrations/', import.meta.url);

interface Leftovers {
  /** What of it is in the way: objects of the application that use it. */
  dependents: string[];
  /** In the way as well: tables, views and functions in the schema that no migration made. */
  strangers: string[];
  /** Tables that carry a constraint of ours since they were retired. */
  retired: string[];
  /** A job that is running now. */
  running: string[];
  policies: number;
  runs: number;
  /** The role of the runner, which could not be dropped. */
  roleStays?: boolean;
}

/**
 * Takes Nightshift out of a database, in one transaction: the schema, what it put on retired partitions, its lines in the
 * migration history, and the role of the runner where no other database needs it. Without `confirmed` it only says what would
 * go. Refuses while a job runs, and where something of the application uses the schema or is in it, which would go with it.
 */
export async function uninstall(
  databaseUrl: string,
  { confirmed }: { confirmed: boolean },
): Promise<Leftovers> {
  const files = await readdir(migrations);
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {}, ...encryption(databaseUrl) });
  try {
    return await sql.begin(async (transaction) => {
      await transaction`set local lock_timeout = '5s'`;
      if (confirmed) await stopLedger(transaction);
      const found = await look(transaction, await namesMadeBy(files));
      if (confirmed) {
        refuse(found);
        found.roleStays = await remove(transaction, found, files);
      }
      return found;
    });
  } finally {
    await sql.end();
  }
}

async function namesMadeBy(files: string[]): Promise<string[]> {
  const texts = await Promise.all(files.map((file) => readFile(new URL(file, migrations), 'utf8')));
  const made = /(?:create (?:or replace )?(?:table|view|function) nightshift\.| rename to )(\w+)/g;
  return texts.flatMap((text) => [...text.matchAll(made)].map(([, name = '']) => name));
}

/** Nothing begins or ends while this is decided. */
async function stopLedger(sql: postgres.TransactionSql): Promise<void> {
  const lock = `do $$ begin if to_regclass('nightshift.runs') is not null then lock table nightshift.runs; end if; end $$`;
  await sql.unsafe(lock).catch((thrown: unknown) => {
    if (!(thrown instanceof postgres.PostgresError) || thrown.code !== '55P03') throw thrown;
    throw new NightshiftError('NS409', 'Something is at work in the ledger, most likely a run', {
      detail: 'Nothing was removed.',
      hint: 'Wait until it has ended: npm run nightshift -- status',
    });
  });
}

async function look(sql: postgres.TransactionSql, ours: string[]): Promise<Leftovers> {
  const [there] = await sql`select to_regnamespace('nightshift') is not null as there`;
  if (!there?.there) {
    throw new NightshiftError('NS404', 'There is no schema nightshift in this database', {
      hint: 'It was never installed here, or is gone already. Check the connection string.',
    });
  }
  const dependents = await sql<{ name: string }[]>`
    select distinct pg_describe_object(d.classid, d.objid, 0) as name
    from pg_depend d
    cross join lateral pg_identify_object(d.refclassid, d.refobjid, 0) used
    cross join lateral pg_identify_object(d.classid, d.objid, 0) using_it
    cross join lateral pg_identify_object_as_address(d.classid, d.objid, 0) address
    -- Rules, triggers, defaults and constraints have no schema, but the address of what they are on.
    cross join lateral coalesce(
      using_it.schema, case when cardinality(address.object_names) > 1 then address.object_names[1] end, ''
    ) home
    where d.deptype = 'n' and used.schema = 'nightshift' and home not in ('nightshift', 'pg_toast')
    order by 1`;
  const strangers = await sql<{ name: string }[]>`
    select pg_describe_object(i.classid, i.objid, 0) as name
    from (
      select 'pg_class'::regclass, oid, relname from pg_class
      where relnamespace = 'nightshift'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
      union all
      select 'pg_proc'::regclass, oid, proname from pg_proc where pronamespace = 'nightshift'::regnamespace
    ) i(classid, objid, name)
    where i.name <> all(${ours})
    order by 1`;
  const retired = await sql<{ name: string }[]>`
    select conrelid::regclass::text as name from pg_constraint
    where conname = 'nightshift_retired' and contype = 'c' order by 1`;
  const running = await sql<{ job: string }[]>`
    select job from nightshift.runs where status = 'running' and lease_expires_at > now() order by job`;
  const [counted] = await sql<{ policies: number; runs: number }[]>`
    select (select count(*) from nightshift.retention_policies)::integer
        + (select count(*) from nightshift.refresh_policies)::integer
        + (select count(*) from nightshift.partition_policies)::integer as policies,
      (select count(*) from nightshift.runs)::integer as runs`;
  return {
    dependents: dependents.map(({ name }) => name),
    strangers: strangers.map(({ name }) => name),
    retired: retired.map(({ name }) => name),
    running: running.map(({ job }) => job),
    policies: counted?.policies ?? 0,
    runs: counted?.runs ?? 0,
  };
}

function refuse({ dependents, strangers, running }: Leftovers): void {
  if (running.length > 0) {
    throw new NightshiftError('NS409', `A run is under way: ${running.join(', ')}`, {
      detail: 'Nothing was removed.',
      hint: "Wait until it has ended, or stop it with: select nightshift.pause('uninstalling');",
    });
  }
  if (dependents.length > 0) {
    throw new NightshiftError('NS422', 'Something of yours uses the schema nightshift', {
      detail: `${dependents.join(', ')}. Nothing was removed.`,
      hint: 'Drop or change these first: they would go with the schema.',
    });
  }
  if (strangers.length > 0) {
    throw new NightshiftError('NS422', 'The schema nightshift holds what no migration made', {
      detail: `${strangers.join(', ')}. Nothing was removed.`,
      hint: 'If it is yours, such as partitions of a policy with partition_schema, move it first: alter table ... set schema. If it came with a later version of Nightshift, update this checkout.',
    });
  }
}

/** Returns whether the role of the runner had to stay. */
async function remove(
  sql: postgres.TransactionSql,
  { retired }: Leftovers,
  files: string[],
): Promise<boolean> {
  for (const name of retired) {
    await sql.unsafe(`alter table ${name} drop constraint nightshift_retired`);
  }
  await sql`drop schema nightshift cascade`;
  const [history] = await sql`
    select to_regclass('supabase_migrations.schema_migrations') is not null as there`;
  if (history?.there) {
    // By name as well: a migration of the application may have the same version.
    await sql`
      delete from supabase_migrations.schema_migrations
      where concat_ws('_', version, name) || '.sql' in ${sql(files)}`;
  }
  return await sql
    .savepoint((attempt) => attempt`drop role if exists nightshift_runner`)
    .then(() => false)
    .catch((thrown: unknown) => {
      // Another database of the server has Nightshift as well, and needs it; or it is someone else's to drop.
      if (!(thrown instanceof postgres.PostgresError) || !/^(2BP01|42501)$/.test(thrown.code)) {
        throw thrown;
      }
      return true;
    });
}
