import postgres from 'postgres';
import type * as z from 'zod';
import { fromRpcFailure, NightshiftError } from './errors.ts';
import { type Functions, parseAnswer, type RpcName } from './rpc.ts';

/** A connection past the API, for calls that take longer than it allows. Connects when first used. */
export interface Direct {
  /** Calls a function of schema nightshift once, in a transaction of its own. Throws NightshiftError. */
  call<Name extends RpcName, Schema extends z.ZodType>(
    name: Name,
    args: Functions[Name]['Args'],
    answer: Schema,
    options: { timeoutMs: number },
  ): Promise<z.output<Schema>>;
  close(): Promise<void>;
}

const closeTimeoutSeconds = 5;
const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

export function connectDirect(databaseUrl: string): Direct {
  const { hostname, searchParams } = new URL(databaseUrl);
  const sql = postgres(databaseUrl, {
    max: 8,
    idle_timeout: 20,
    connect_timeout: 10,
    // A pooler in transaction mode hands each transaction to another server session.
    prepare: false,
    onnotice: () => {},
    ...(searchParams.has('sslmode') || loopback.test(hostname) ? {} : { ssl: 'require' as const }),
    connection: { application_name: 'nightshift' },
  });

  return {
    async call(name, args, answer, { timeoutMs }) {
      const names = Object.keys(args);
      const list = names.map((key, n) => `${key} => $${n + 1}`).join(', ');
      const [row] = await sql
        .begin('isolation level read committed', async (transaction) => {
          await transaction`select set_config('statement_timeout', ${`${Math.floor(timeoutMs)}`}, true)`;
          return transaction.unsafe<{ answer: unknown }[]>(
            `select nightshift.${name}(${list}) as answer`,
            Object.values(args as Record<string, never>),
          );
        })
        .catch((thrown: unknown) => {
          throw toDirectError(name, thrown);
        });
      return parseAnswer(name, row?.answer, answer);
    },
    close: () => sql.end({ timeout: closeTimeoutSeconds }),
  };
}

function toDirectError(name: string, thrown: unknown): unknown {
  if (thrown instanceof postgres.PostgresError && !/^(28|3D)/.test(thrown.code)) {
    const { code, message, detail, hint } = thrown;
    return fromRpcFailure(name, { code, message, details: detail, hint }, 400);
  }
  const code =
    thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'an unknown reason';
  return new NightshiftError('NS502', 'The direct connection to Postgres failed', {
    detail: `${name}: ${code}`,
    hint: 'Check NIGHTSHIFT_DATABASE_URL. Lambda has no IPv6 by default: use the session pooler (Dashboard > Connect > Session pooler), whose user is postgres.<project>.',
    cause: thrown,
  });
}
