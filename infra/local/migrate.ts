import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { encryption } from '../../functions/_shared/direct.ts';

const MIGRATIONS = fileURLToPath(new URL('../../supabase/migrations/', import.meta.url));
const SEEDS = fileURLToPath(new URL('../../supabase/seeds/', import.meta.url));
/** Any number, as long as every run of migrations in a database uses the same one. */
const LOCK_KEY = 6_174_203_411;

interface Migration {
  version: string;
  name: string;
  file: string;
}

/**
 * Applies what is not applied yet, in the order of the versions, and records it where the Supabase CLI does.
 * A file that changed after it was applied is not noticed.
 */
export async function migrate(
  databaseUrl: string,
  { directory = MIGRATIONS }: { directory?: string } = {},
): Promise<{ applied: string[]; skipped: string[] }> {
  const migrations = parseFileNames(await readdir(directory));
  const applied: string[] = [];
  const skipped: string[] = [];
  await withClient(databaseUrl, async (sql) => {
    await sql.begin(async (transaction) => {
      await lock(transaction);
      await transaction.unsafe(HISTORY);
    });
    for (const migration of migrations) {
      const text = await readFile(`${directory}/${migration.file}`, 'utf8');
      const isNew = await sql.begin((transaction) => apply(transaction, migration, text));
      (isNew ? applied : skipped).push(migration.file);
    }
  });
  return { applied, skipped };
}

/** Runs `supabase/seeds/<name>.sql`. */
export async function loadSeed(databaseUrl: string, name: string): Promise<void> {
  const files = await readdir(SEEDS);
  if (!files.includes(`${name}.sql`)) {
    const names = files.filter((file) => file.endsWith('.sql')).map((file) => file.slice(0, -4));
    throw new Error(`There is no seed '${name}'. Seeds: ${names.join(', ') || 'none'}.`);
  }
  const text = await readFile(`${SEEDS}/${name}.sql`, 'utf8');
  await withClient(databaseUrl, (sql) =>
    sql.begin((transaction) => execute(transaction, `${name}.sql`, text)),
  );
}

async function apply(sql: postgres.TransactionSql, migration: Migration, text: string) {
  const { version, name, file } = migration;
  await lock(sql);
  const known = await sql`
    select from supabase_migrations.schema_migrations where version = ${version}`;
  if (known.length > 0) return false;
  await execute(sql, file, text);
  await sql`
    insert into supabase_migrations.schema_migrations (version, statements, name)
    values (${version}, array[${text}], ${name})`;
  return true;
}

async function lock(sql: postgres.TransactionSql) {
  await sql`select pg_advisory_xact_lock(${LOCK_KEY})`;
}

async function execute(sql: postgres.TransactionSql, file: string, text: string) {
  try {
    await sql.unsafe(text);
  } catch (cause) {
    if (!(cause instanceof postgres.PostgresError)) throw cause;
    const { message, code, position, where, hint } = cause;
    const line = position && text.slice(0, Number(position)).split('\n').length;
    const details = [
      `${file}${line ? `:${line}` : ''} failed: ${message} (${code})`,
      where && `Where: ${where}`,
      hint && `Hint: ${hint}`,
    ];
    throw new Error(details.filter(Boolean).join('\n'), { cause });
  }
}

function parseFileNames(files: string[]): Migration[] {
  const migrations = files
    .filter((file) => file.endsWith('.sql'))
    .map((file) => {
      const { version, name } = /^(?<version>\d+)_(?<name>.+)\.sql$/.exec(file)?.groups ?? {};
      if (!version || !name) {
        throw new Error(
          `${file} is no migration. Name it <version>_<name>.sql, with a timestamp as version.`,
        );
      }
      return { version, name, file };
    })
    .sort((one, other) => (one.version < other.version ? -1 : 1));
  for (const [index, { version, file }] of migrations.entries()) {
    const next = migrations[index + 1];
    if (next?.version === version) {
      throw new Error(
        `${file} and ${next.file} have the same version. Give one of them a later timestamp.`,
      );
    }
  }
  return migrations;
}

async function withClient(databaseUrl: string, run: (sql: postgres.Sql) => Promise<unknown>) {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {}, ...encryption(databaseUrl) });
  try {
    await run(sql);
  } finally {
    await sql.end();
  }
}

const HISTORY = `
  create schema if not exists supabase_migrations;
  create table if not exists supabase_migrations.schema_migrations (
    version text primary key,
    statements text[],
    name text
  );
`;
