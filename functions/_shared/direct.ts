import postgres from 'postgres';
import type * as z from 'zod';
import type { Deadline } from './clock.ts';
import { fromRpcFailure, NightshiftError } from './errors.ts';
import { type Functions, parseAnswer, type Retry, type RpcName, retrying } from './rpc.ts';

/** A direct connection to Postgres, for calls that take longer than the API allows. It connects on first use. */
export interface Direct {
  /**
   * Calls a function of schema nightshift in a transaction of its own. `timeoutMs` is called before each attempt and
   * returns its statement timeout. Transient failures are retried as `retry` allows. Throws NightshiftError.
   */
  call<Name extends RpcName, Schema extends z.ZodType>(
    name: Name,
    args: Functions[Name]['Args'],
    answer: Schema,
    options: { timeoutMs: () => number; retry: Retry },
  ): Promise<z.output<Schema>>;
  /**
   * Runs one statement outside a transaction, such as DETACH PARTITION CONCURRENTLY. The statement must come from
   * Nightshift itself. It is not retried, because the caller has to see first what became of it. Throws NightshiftError.
   */
  execute(statement: string, options: { timeoutMs: number; lockTimeoutMs: number }): Promise<void>;
  close(): Promise<void>;
}

const closeTimeoutSeconds = 1;
/** How long the server may stay silent past the time limit before the connection counts as dead. */
const silenceMs = 5_000;
const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** Connections are encrypted, unless the connection string says otherwise or leads to this machine. */
export function encryption(databaseUrl: string): { ssl?: 'require' } {
  const { hostname, searchParams } = new URL(databaseUrl);
  return searchParams.has('sslmode') || loopback.test(hostname) ? {} : { ssl: 'require' };
}

export function connectDirect(databaseUrl: string, deadline: Deadline): Direct {
  const sql = postgres(databaseUrl, {
    max: 8,
    idle_timeout: 20,
    connect_timeout: 10,
    onnotice: () => {},
    ...encryption(databaseUrl),
    connection: { application_name: 'nightshift' },
  });

  return {
    call(name, args, answer, { timeoutMs, retry }) {
      const attempt = async () => {
        const statementMs = timeoutMs();
        const results = await Promise.race([
          sql.unsafe(oneMessage(name, args, statementMs)).simple(),
          silence(statementMs + silenceMs),
        ]).catch((thrown: unknown) => {
          throw toDirectError(name, thrown);
        });
        const [row] = results.at(-1) ?? [];
        return parseAnswer(name, row?.answer, answer);
      };
      return retrying(attempt, deadline, retry);
    },
    async execute(statement, { timeoutMs, lockTimeoutMs }) {
      const name = statement.split(' ', 2).join(' ');
      const session = await sql.reserve().catch((thrown: unknown) => {
        throw toDirectError(name, thrown);
      });
      try {
        await session
          .unsafe(
            `set statement_timeout = ${Math.floor(timeoutMs)}; set lock_timeout = ${lockTimeoutMs}`,
          )
          .simple();
        await Promise.race([session.unsafe(statement).simple(), silence(timeoutMs + silenceMs)]);
        await session.unsafe('reset statement_timeout; reset lock_timeout').simple();
        session.release();
      } catch (thrown) {
        // A connection that was cut must not go back to the pool: its next user would never get an answer.
        if (isPostgresError(thrown)) {
          await session.unsafe('reset statement_timeout; reset lock_timeout').simple();
          session.release();
        }
        throw toDirectError(name, thrown);
      }
    },
    close: () => sql.end({ timeout: closeTimeoutSeconds }),
  };
}

/**
 * Statements in one message form one transaction, which the server begins and commits by itself. A client that freezes
 * meanwhile leaves no open transaction with locks, and a pooler in transaction mode cannot split it.
 */
function oneMessage(name: RpcName, args: object, timeoutMs: number): string {
  const list = Object.entries(args).map(([key, value]) => `${key} => ${literal(value)}`);
  return `
    set transaction isolation level read committed;
    select set_config('statement_timeout', '${Math.floor(timeoutMs)}', true);
    select nightshift.${name}(${list.join(', ')}) as answer`;
}

/** For text, numbers, booleans and JSON objects. An array would become JSON where SQL expects an array, so it is refused. */
function literal(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined || Array.isArray(value))
    throw new TypeError('There is no literal for it');
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

function silence(ms: number): Promise<never> {
  return new Promise((_, reject) => {
    const silent = Object.assign(new Error('No answer'), { code: 'CONNECTION_CLOSED' });
    setTimeout(reject, Math.min(ms, 2 ** 31 - 1), silent).unref();
  });
}

/** SQLSTATEs about the connection rather than the call. */
const refused = /^(28...|3D000)$/;
const cut = /^(57P..|08...)$/;

/** The connection survives such an error. */
function isPostgresError(thrown: unknown): thrown is postgres.PostgresError {
  return thrown instanceof postgres.PostgresError && thrown.severity !== 'FATAL';
}

function toDirectError(name: string, thrown: unknown): unknown {
  // A pooler that does not know the project answers like Postgres, with a SQLSTATE.
  if (isPostgresError(thrown) && !refused.test(thrown.code) && !cut.test(thrown.code)) {
    const { code, message, detail, hint } = thrown;
    return fromRpcFailure(name, { code, message, details: detail, hint }, 400);
  }
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown reason';
  return new NightshiftError('NS502', 'The direct connection to Postgres failed', {
    detail: `${name}: ${code}`,
    hint:
      cut.test(code) || code === 'CONNECTION_CLOSED'
        ? 'It was cut while it worked; what it had not committed is undone, and the next run tries again.'
        : 'Check NIGHTSHIFT_DATABASE_URL. Lambda has no IPv6 by default: use the session pooler (Dashboard > Connect > Session pooler), whose user is postgres.<project>.',
    cause: thrown,
  });
}
