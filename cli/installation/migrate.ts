import postgres from 'postgres';
import { encryption } from '../../functions/_shared/direct.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { lockInstallation, type Recorded, readRecorded, removeFromHistory } from './recorded.ts';
import { compareVersions, newestRelease, type Release } from './release.ts';

export interface Migrated {
  release: Release;
  /** What was there before. */
  before: Recorded;
  /** Lines that left the history of the Supabase CLI, since their files are no more. */
  linesTakenOver: number;
}

/** Brings a database to the newest release, whatever it has of Nightshift, or leaves it as it is. */
export async function migrate(
  databaseUrl: string,
  { folder }: { folder?: string } = {},
): Promise<Migrated> {
  const release = await newestRelease(folder);
  return withClient(databaseUrl, (sql) =>
    sql.begin(async (transaction) => {
      await lockInstallation(transaction);
      const before = await readRecorded(transaction);
      if (!isCurrent(before, release)) await applyRelease(transaction, release);
      const linesTakenOver = await removeFromHistory(transaction, { releases: false });
      return { release, before, linesTakenOver };
    }),
  );
}

function isCurrent(recorded: Recorded, { version, checksum }: Release): boolean {
  if (typeof recorded !== 'object') return false;
  if (compareVersions(recorded.version, version) > 0) {
    throw new NightshiftError(
      'NS409',
      `Nightshift ${recorded.version} is installed, which is newer than this checkout of ${version}`,
      {
        detail: 'Nothing was changed.',
        hint: 'Update this checkout, and deploy its functions: git pull',
      },
    );
  }
  return recorded.version === version && recorded.checksum === checksum;
}

export async function applyRelease(
  sql: postgres.TransactionSql,
  { file, text }: Release,
): Promise<void> {
  await execute(sql, file, text);
}

/** Runs a file of SQL in one transaction; an error names the line of the file. */
export function runScript(databaseUrl: string, file: string, text: string): Promise<void> {
  return withClient(databaseUrl, (sql) =>
    sql.begin((transaction) => execute(transaction, file, text)),
  );
}

async function execute(sql: postgres.TransactionSql, file: string, text: string) {
  try {
    await sql.unsafe(text);
  } catch (cause) {
    if (!(cause instanceof postgres.PostgresError)) throw cause;
    const { message, code, position, where, detail, hint } = cause;
    if (code.startsWith('NS')) throw new NightshiftError(code, message, { detail, hint, cause });
    const line = position && text.slice(0, Number(position)).split('\n').length;
    const details = [
      `${file}${line ? `:${line}` : ''} failed: ${message} (${code})`,
      where && `Where: ${where}`,
      hint && `Hint: ${hint}`,
    ];
    throw new Error(details.filter(Boolean).join('\n'), { cause });
  }
}

async function withClient<Result>(
  databaseUrl: string,
  run: (sql: postgres.Sql) => Promise<Result>,
): Promise<Result> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {}, ...encryption(databaseUrl) });
  try {
    return await run(sql);
  } finally {
    await sql.end();
  }
}
