import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { encryption } from '../../functions/_shared/direct.ts';

const MIGRATIONS = fileURLToPath(new URL('../../supabase/migrations/', import.meta.url));
const SEEDS = fileURLToPath(new URL('../../supabase/seeds/', import.meta.url));
/** Any number, as long as every run of migrations in a database uses the same one. */
const LOCK_KEY = 6_174_203_411;

interface Migration {
  file: string;
  text: string;
  version: string;
  checksum: string;
}

/**
 * Applies the releases that this database does not have, in the order of their versions. Each writes itself down in
 * `nightshift.migrations`, whoever applies it.
 */
export async function migrate(
  databaseUrl: string,
  { directory = MIGRATIONS }: { directory?: string } = {},
): Promise<{ applied: string[]; skipped: string[] }> {
  const migrations = await readMigrations(directory);
  const applied: string[] = [];
  const skipped: string[] = [];
  await withClient(databaseUrl, async (sql) => {
    for (const migration of migrations) {
      const isNew = await sql.begin((transaction) => apply(transaction, migration));
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

async function apply(sql: postgres.TransactionSql, { file, text, version, checksum }: Migration) {
  await lock(sql);
  const [history] = await sql`select to_regclass('nightshift.migrations') is not null as there`;
  if (history?.there) {
    const known = await sql`
      select from nightshift.migrations where version = ${version} and checksum = ${checksum}`;
    if (known.length > 0) return false;
  }
  await execute(sql, file, text);
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

/** The last statement of a migration has its version and checksum. */
async function readMigrations(directory: string): Promise<Migration[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.sql')).sort();
  return Promise.all(
    files.map(async (file) => {
      const text = await readFile(`${directory}/${file}`, 'utf8');
      const record =
        /insert into nightshift\.migrations \(version, checksum\) values \('(?<version>[^']+)', '(?<checksum>[^']+)'\)/;
      const { version, checksum } = record.exec(text)?.groups ?? {};
      if (!version || !checksum) {
        throw new Error(`${file} is no migration of Nightshift: it does not write itself down.`);
      }
      return { file, text, version, checksum };
    }),
  );
}

async function withClient(databaseUrl: string, run: (sql: postgres.Sql) => Promise<unknown>) {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {}, ...encryption(databaseUrl) });
  try {
    await run(sql);
  } finally {
    await sql.end();
  }
}
