import type postgres from 'postgres';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { oldMigrations } from './old-migrations.ts';
import { compareVersions, type Release, releaseName } from './release.ts';

type Sql = postgres.TransactionSql;

/** Any number, as long as all that changes what is installed in a database uses the same one. */
const lockKey = 6_174_203_411;

/** One change of what is installed at a time, in which names mean what Postgres has: anyone may make an operator that fits better elsewhere. */
export async function lockInstallation(sql: Sql): Promise<void> {
  await sql`set local search_path = pg_catalog, pg_temp`;
  await sql`select pg_advisory_xact_lock(${lockKey})`;
}

/** Undefined: no schema. Unrecorded: one from before the first release, or one that broke off while it was made. */
export type Recorded = Pick<Release, 'version' | 'checksum'> | 'unrecorded' | undefined;

/** What was installed last, by its own account. Refuses to read what someone else has put in its place. */
export async function readRecorded(sql: Sql): Promise<Recorded> {
  const [schema] = await sql<{ owner: string; name: string; trusted: boolean; known: boolean }[]>`
    select pg_get_userbyid(n.nspowner) as owner, current_user as name, pg_has_role(n.nspowner, 'member') as trusted,
      to_regclass('nightshift.migrations') is not null as known
    from pg_namespace n where n.nspname = 'nightshift'`;
  if (!schema) return undefined;
  const { owner, name, trusted, known } = schema;
  if (!trusted) {
    throw new NightshiftError(
      'NS422',
      `The schema nightshift belongs to ${owner}, whose rights ${name} does not have`,
      {
        detail: 'Nothing was changed.',
        hint: `Connect as ${owner}. If you have not made the schema, look at what is in it first.`,
      },
    );
  }
  if (!known) return 'unrecorded';
  const releases = await sql<Pick<Release, 'version' | 'checksum'>[]>`
    select version, checksum from nightshift.migrations`;
  const [newest] = [...releases].sort((one, other) => compareVersions(other.version, one.version));
  return newest ?? 'unrecorded';
}

/**
 * Takes lines of ours out of the history of the Supabase CLI: those of before the first release, whose files are no more, or
 * those of copied releases as well. Returns how many. Lines of the application with the same version stay.
 */
export async function removeFromHistory(
  sql: Sql,
  { releases }: { releases: boolean },
): Promise<number> {
  // One that belongs to someone else may have triggers, which would run with the rights of whoever deletes.
  const [history] = await sql`
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = to_regclass('supabase_migrations.schema_migrations') and c.relkind = 'r'
      and pg_has_role(c.relowner, current_user, 'member') and pg_has_role(n.nspowner, current_user, 'member')`;
  if (!history) return 0;
  // Histories of old versions of the CLI have no names.
  const { count } = await sql`
    delete from supabase_migrations.schema_migrations m
    where concat_ws('_', m.version, to_jsonb(m) ->> 'name') in ${sql(oldMigrations)}
      or (${releases} and to_jsonb(m) ->> 'name' ~ ${releaseName.source})`;
  return count;
}
