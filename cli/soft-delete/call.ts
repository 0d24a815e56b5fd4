import type * as z from 'zod';
import { NightshiftError, notLocked, timedOut } from '../../functions/_shared/errors.ts';
import type { Functions, Rpc, RpcName } from '../../functions/_shared/rpc.ts';
import { inOptions } from '../words.ts';

/** Each try waits a second for the lock, and lets those behind it go on meanwhile. */
const lockPatience = { retries: 12, maxMs: 30_000 };

/**
 * Calls a function for a table, patiently while others are at work on it, and says what it refuses in words of the command
 * line.
 */
export async function callFor<Name extends RpcName, Schema extends z.ZodType>(
  rpc: Rpc,
  name: Name,
  table: string,
  args: Functions[Name]['Args'],
  answer: Schema,
): Promise<z.output<Schema>> {
  const sayLocked = onceLocked(table);
  try {
    return await rpc.call(name, args, answer, {
      patience: lockPatience,
      retry: (error) => {
        sayLocked(error);
        return error.code !== timedOut;
      },
    });
  } catch (thrown) {
    throw thrown instanceof NightshiftError ? inWords(thrown, table) : thrown;
  }
}

/** Whoever waits before a screen is told why, once. */
export function onceLocked(table: string): (error: NightshiftError) => void {
  let said = false;
  return ({ code }) => {
    if (code !== notLocked || said) return;
    said = true;
    console.error(`${table} is locked by another session; trying again for 30 s.`);
  };
}

/** What a name becomes that is no table: SQLSTATEs of the table, the schema, and of a name that cannot be one. */
const noSuchTable = /^(42P01|3F000|42602|22P02)$/;

function inWords(error: NightshiftError, table: string): NightshiftError {
  const { code, message, detail, hint, cause } = error;
  if (noSuchTable.test(code)) {
    return new NightshiftError('NS404', `There is no table ${table}`, {
      hint: `Write it as SQL does, with its schema: public.orders, or 'public."Orders"'.`,
      cause,
    });
  }
  if (code === notLocked) return stayedLocked(table, 'Nothing was changed.', cause);
  return new NightshiftError(code, message, {
    detail: detail && inOptions(detail),
    hint: hint && inOptions(hint),
    retryable: error.retryable,
    cause,
  });
}

export function stayedLocked(table: string, detail: string, cause: unknown): NightshiftError {
  return new NightshiftError(notLocked, `${table} stayed locked by another session`, {
    detail,
    hint: `Find who holds it, and call again: select pid, usename, state, query from pg_stat_activity where pid in (select pid from pg_locks where relation = '${table.replaceAll("'", "''")}'::regclass);`,
    cause,
  });
}
