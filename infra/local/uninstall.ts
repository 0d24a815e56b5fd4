import { readdir } from 'node:fs/promises';
import postgres from 'postgres';
import { NightshiftError } from '../../functions/_shared/errors.ts';

interface Leftovers {
  /** What of it is in the way: objects of the application that use it. */
  dependents: string[];
  /** Tables that carry a constraint of ours since they were retired. */
  retired: string[];
  /** A job that is running now. */
  running: string[];
  policies: number;
  runs: number;
}

/**
 * Takes Nightshift out of a database, in one transaction: the schema, what it put on retired partitions, its lines in the
 * migration history, and the role of the runner where no other database needs it. Without `confirmed` it only says what would go. Refuses while a job runs, and where something of the
 * application uses the schema, which would go with it.
 */
export async function uninstall(
  databaseUrl: string,
  { confirmed }: { confirmed: boolean },
): Promise<Leftovers> {
  const versions = (await readdir(new URL('../../supabase/migrations', import.meta.url))).map(
    (file) => file.split('_')[0] ?? '',
  );
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    return await sql.begin(async (transaction) => {
      await transaction`set local lock_timeout = '5s'`;
      const found = await look(transaction);
      if (confirmed) {
        refuse(found);
        await remove(transaction, found, versions);
      }
      return found;
    });
  } finally {
    await sql.end();
  }
}

async function look(sql: postgres.TransactionSql): Promise<Leftovers> {
  const [there] = await sql`select to_regnamespace('nightshift') is not null as there`;
  if (!there?.there) {
    throw new NightshiftError('NS404', 'There is no schema nightshift in this database', {
      hint: 'It was never installed here, or is gone already. Check the connection string.',
    });
  }
  // Nothing begins or ends while this is decided.
  await sql`lock table nightshift.runs in access exclusive mode`;
  const dependents = await sql<{ name: string }[]>`
    select distinct pg_describe_object(d.classid, d.objid, 0) as name
    from pg_depend d
    cross join lateral pg_identify_object(d.refclassid, d.refobjid, 0) used
    cross join lateral pg_identify_object(d.classid, d.objid, 0) using_it
    where d.deptype = 'n' and used.schema = 'nightshift'
      -- Rules, triggers, defaults and constraints have no schema, but the identity of what they are on.
      and using_it.schema is distinct from 'nightshift' and using_it.schema is distinct from 'pg_toast'
      and using_it.identity !~ '(^| )nightshift\\.'
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
    retired: retired.map(({ name }) => name),
    running: running.map(({ job }) => job),
    policies: counted?.policies ?? 0,
    runs: counted?.runs ?? 0,
  };
}

function refuse({ dependents, running }: Leftovers): void {
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
}

async function remove(
  sql: postgres.TransactionSql,
  { retired }: Leftovers,
  versions: string[],
): Promise<void> {
  for (const name of retired) {
    await sql.unsafe(`alter table ${name} drop constraint nightshift_retired`);
  }
  await sql`drop schema nightshift cascade`;
  const [history] = await sql`
    select to_regclass('supabase_migrations.schema_migrations') is not null as there`;
  if (history?.there) {
    await sql`delete from supabase_migrations.schema_migrations where version in ${sql(versions)}`;
  }
  await sql
    .savepoint((attempt) => attempt`drop role if exists nightshift_runner`)
    .catch((thrown: unknown) => {
      // Another database of the server has Nightshift as well, and needs it.
      if (!(thrown instanceof postgres.PostgresError) || thrown.code !== '2BP01') throw thrown;
    });
}
