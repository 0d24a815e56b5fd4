import postgres from 'postgres';
import { fromRpcFailure, NightshiftError } from '../../functions/_shared/errors.ts';
import {
  openPostgres,
  parseDatabaseUrl,
  requireAnswer,
} from '../../functions/_shared/postgres-client.ts';
import { readCa } from '../../functions/_shared/settings.ts';
import { toConnectionError } from '../installation/connection-error.ts';
import { applyRelease } from '../installation/migrate.ts';
import { nightshift } from '../installation/origin.ts';
import { lockInstallation, readRecorded } from '../installation/recorded.ts';
import { newestRelease } from '../installation/release.ts';
import type { Sql } from './sql.ts';

/** Nobody is to wait behind a look: neither for a lock, nor for an answer that takes long. */
const limits = `set local lock_timeout = '2s'; set local statement_timeout = '20s'; set local idle_in_transaction_session_timeout = '60s'`;

/**
 * Looks at a database with the functions of Nightshift, in a transaction that is always rolled back. Where they are not
 * installed, the migration is applied in it, and gone with it: so whatever is proposed was accepted by the functions that
 * will be asked.
 */
export async function lookAt<Result>(
  databaseUrl: string,
  look: (sql: Sql) => Promise<Result>,
): Promise<Result> {
  const { host } = parseDatabaseUrl(databaseUrl);
  const onlyLooking = new Error();
  let result: { is: Result } | undefined;
  const sql = openPostgres(databaseUrl, {
    ca: readCa(process.env.NIGHTSHIFT_DATABASE_CA),
    max: 1,
    fetch_types: false,
    connection: { application_name: 'nightshift init' },
  });
  try {
    await requireAnswer(databaseUrl);
    await sql.begin(async (transaction) => {
      await transaction.unsafe(limits);
      await lockInstallation(transaction);
      await provide(transaction);
      result = { is: await look(transaction) };
      throw onlyLooking;
    });
  } catch (thrown) {
    if (thrown !== onlyLooking) throw inWords(toConnectionError(thrown, databaseUrl), host);
  } finally {
    await sql.end({ timeout: 5 });
  }
  return (result as { is: Result }).is;
}

/** The functions of this release: those that are there, or, for this transaction, of its file. */
async function provide(sql: Sql): Promise<void> {
  const release = await newestRelease();
  const recorded = await readRecorded(sql);
  if (recorded === undefined) {
    await applyRelease(sql, release);
    await sql`set local check_function_bodies = on`;
    return;
  }
  const version =
    typeof recorded === 'object' ? recorded.version : 'what is there of an earlier release';
  if (
    typeof recorded === 'object' &&
    recorded.version === release.version &&
    recorded.checksum === release.checksum
  ) {
    return;
  }
  throw new NightshiftError(
    'NS409',
    version === release.version
      ? `The database has ${version} as it was in another file than this one`
      : `The database has another Nightshift than this one: ${version}, not ${release.version}`,
    {
      detail: 'Nothing was written.',
      hint: `Bring both to the same release first: ${nightshift} migrate --database-url ...`,
    },
  );
}

function inWords(thrown: unknown, host: string): unknown {
  // What the migration meets is wrapped, with the line of its file.
  const cause =
    thrown instanceof Error && thrown.cause instanceof postgres.PostgresError
      ? thrown.cause
      : thrown;
  if (thrown instanceof NightshiftError || !(cause instanceof postgres.PostgresError))
    return thrown;
  const { code, message, detail, hint } = cause;
  if (code === '42501') {
    return new NightshiftError(
      'NS422',
      'The role of the connection string may not install Nightshift, which init does to look',
      {
        detail: `${message}. Nothing was written, and nothing stays in the database.`,
        hint: 'Connect as the owner of the database, which is postgres on Supabase.',
        cause,
      },
    );
  }
  return fromRpcFailure('init', { code, message, details: detail, hint }, 400, host);
}
