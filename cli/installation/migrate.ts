import postgres from 'postgres';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { openPostgres, requireAnswer } from '../../functions/_shared/postgres-client.ts';
import { retrying } from '../../functions/_shared/rpc.ts';
import { noDeadline } from '../connect.ts';
import { toConnectionError } from './connection-error.ts';
import { here, upgradeTo } from './origin.ts';
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
      `Nightshift ${recorded.version} is installed, which is newer than ${here} of ${version}`,
      {
        detail: 'Nothing was changed.',
        hint: upgradeTo(recorded.version),
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
    const [, role] = /^role "(.*)" does not exist$/.exec(message) ?? [];
    if (code === '42704' && role) {
      throw new NightshiftError(
        'NS422',
        `This database has no role ${role}, which every database of Supabase has`,
        {
          detail: 'Nothing was changed.',
          hint: 'Check that the connection string leads to the project; a Postgres of your own needs the roles of Supabase first: anon, authenticated, service_role and authenticator.',
          cause,
        },
      );
    }
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
  const attempt = async () => {
    await requireAnswer(databaseUrl).catch((thrown: unknown) => {
      throw toConnectionError(thrown, databaseUrl);
    });
    const sql = openPostgres(databaseUrl, { max: 1 });
    try {
      return await run(sql);
    } catch (thrown) {
      throw toConnectionError(thrown, databaseUrl);
    } finally {
      await sql.end({ timeout: 5 });
    }
  };
  // A pooler whose connections are taken has done nothing of it.
  return retrying(attempt, noDeadline, () => true);
}
