import postgres from 'postgres';
import type * as z from 'zod';
import type { Deadline } from './clock.ts';
import { databaseUrlHint, toConnectionError } from './connection-errors.ts';
import { fromRpcFailure, NightshiftError, notLocked } from './errors.ts';
import { firstAnswer, openPostgres, parseDatabaseUrl } from './postgres-client.ts';
import { type Functions, parseAnswer, type Retry, type RpcName, retrying } from './rpc.ts';

/** A direct connection to Postgres, for calls that take longer than the API allows. It connects for each call. */
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
  execute(statement: string, options: ExecuteOptions): Promise<void>;
}

interface ExecuteOptions {
  timeoutMs: number;
  lockTimeoutMs: number;
  /** What only one session at a time may do: 55P03 when another one is at it. Needs a session of its own. */
  turn?: string;
  /** Settings of Postgres for this statement. */
  settings?: Record<string, string>;
  /** Called with the SQLSTATE of each warning that the statement gives. */
  onWarning?: ((code: string) => void) | undefined;
  /** Ends the connection, and with it the statement once the server looks for its client. */
  signal?: AbortSignal | undefined;
}

export interface DirectOptions {
  /** The certificate that the server must prove its name with. */
  ca?: string | undefined;
  firstAnswerMs?: number;
}

const closeTimeoutSeconds = 1;
/** Behind a pooler whose connections are taken, a client is let in and then waits, for minutes. */
const usualFirstAnswerMs = 20_000;
/** How long the server may stay silent past the time limit before the connection counts as dead. */
const silenceMs = 5_000;

export function connectDirect(
  databaseUrl: string,
  deadline: Deadline,
  { ca, firstAnswerMs = usualFirstAnswerMs }: DirectOptions = {},
): Direct {
  const { host } = parseDatabaseUrl(databaseUrl);
  /** Asked once, for all the statements that depend on it. */
  let isSession: Promise<boolean> | undefined;

  /**
   * A connection for this call alone: one that broke or was left waiting is never given to the next.
   */
  async function withSession<Result>(
    name: string,
    limitMs: number,
    work: (session: postgres.Sql) => Promise<Result>,
    { onWarning = () => {}, signal }: Pick<ExecuteOptions, 'onWarning' | 'signal'> = {},
  ): Promise<Result> {
    const session = openPostgres(databaseUrl, {
      ca,
      max: 1,
      connect_timeout: 10,
      // It would fail where nobody can catch it, when the connection ends.
      fetch_types: false,
      connection: { application_name: 'nightshift' },
      onnotice: ({ severity, code }) => {
        if (severity === 'WARNING' && code) onWarning(code);
      },
    });
    signal?.addEventListener('abort', () => session.end({ timeout: 0 }), { once: true });
    try {
      await within(firstAnswerMs, 'NO_ANSWER_YET', firstAnswer(session));
      return await within(limitMs + silenceMs, 'CONNECTION_CLOSED', work(session));
    } catch (thrown) {
      // Whatever the server still does for it is bounded by the statement timeout.
      await session.end({ timeout: 0 });
      throw toDirectError(name, thrown, host);
    } finally {
      await session.end({ timeout: closeTimeoutSeconds });
    }
  }

  return {
    call(name, args, answer, { timeoutMs, retry }) {
      const attempt = () => {
        const statementMs = timeoutMs();
        return withSession(name, statementMs, async (session) => {
          const results = await session.unsafe(oneMessage(name, args, statementMs)).simple();
          const [row] = results.at(-1) ?? [];
          return parseAnswer(name, row?.answer, answer);
        });
      };
      return retrying(attempt, deadline, retry);
    },
    execute(statement, { timeoutMs, lockTimeoutMs, turn, settings = {}, onWarning, signal }) {
      const name = statement.split(' ', 2).join(' ');
      const set = {
        ...settings,
        statement_timeout: String(atLeastOne(timeoutMs)),
        lock_timeout: String(lockTimeoutMs),
      };
      const work = async (session: postgres.Sql) => {
        if (turn !== undefined) await takeTurn(session, turn);
        await session.unsafe(settingsInSql(set, true)).simple();
        try {
          await session.unsafe(statement).simple();
        } finally {
          // A pooler may give the session to others as it is.
          const end = turn === undefined ? '' : `select pg_advisory_unlock(${keyOf(turn)}); `;
          await session.unsafe(`${end}${settingsInSql(set, false)}`).simple();
        }
      };
      return withSession(name, timeoutMs, work, { onWarning, signal });
    },
  };

  /** Held until the end of the session, so it ends with a function that dies, too. */
  async function takeTurn(session: postgres.Sql, turn: string): Promise<void> {
    const pidOf = async (any: postgres.Sql) => {
      const [row] = await any.unsafe('select pg_backend_pid() as pid').simple();
      return row?.pid;
    };
    const pid = await pidOf(session);
    isSession ??= withSession('pg_backend_pid', firstAnswerMs, async (another) => {
      // Two that are open at once have the same process behind them only where a pooler lends it to each in turn.
      return (await pidOf(another)) !== pid && (await pidOf(session)) === pid;
    });
    if (!(await isSession)) throw inTransactionMode();
    const [row] = await session
      .unsafe(`select pg_try_advisory_lock(${keyOf(turn)}) as taken`)
      .simple();
    if (row?.taken) return;
    const [holder] = await session
      .unsafe(
        `select a.pid, a.application_name as application, a.usename as role
         from pg_locks l join pg_stat_activity a using (pid)
         where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and a.datname = current_database()
           and (l.classid::bigint << 32) | l.objid::bigint = ${keyOf(turn)}`,
      )
      .simple();
    const who = holder
      ? `pid ${holder.pid} (${holder.application} as ${holder.role})`
      : 'one that has ended';
    throw new NightshiftError(notLocked, `Another session has the turn of ${turn}: ${who}`, {
      hint: holder
        ? `If it is no vacuum of Nightshift, which ends by itself: select pg_terminate_backend(${holder.pid});`
        : 'It has ended by now. The next run tries again.',
    });
  }
}

function inTransactionMode(): NightshiftError {
  return new NightshiftError(
    'NS502',
    'The direct connection leads through a pooler in transaction mode',
    {
      detail: 'What a session sets or locks there stays with whoever is next.',
      hint: 'Use the session pooler, port 5432 (Dashboard > Connect > Session pooler).',
    },
  );
}

function keyOf(turn: string): string {
  return `hashtextextended(${literal(turn)}, 0)`;
}

function settingsInSql(settings: Record<string, string>, on: boolean): string {
  return Object.entries(settings)
    .map(([name, value]) => (on ? `set ${name} = ${literal(value)};` : `reset ${name};`))
    .join(' ');
}

/** Postgres takes a timeout of 0 for none at all, and none is left when the run was told to stop. */
function atLeastOne(ms: number): number {
  return Math.max(1, Math.floor(ms));
}

/**
 * Statements in one message form one transaction, which the server begins and commits by itself. A client that freezes
 * meanwhile leaves no open transaction with locks, and a pooler in transaction mode cannot split it.
 */
function oneMessage(name: RpcName, args: object, timeoutMs: number): string {
  const list = Object.entries(args).map(([key, value]) => `${key} => ${literal(value)}`);
  return `
    set transaction isolation level read committed;
    select set_config('statement_timeout', '${atLeastOne(timeoutMs)}', true);
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

function within<Result>(ms: number, code: string, work: PromiseLike<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    const silent = Object.assign(new Error('No answer'), { code });
    timer = setTimeout(reject, Math.min(ms, 2 ** 31 - 1), silent);
  });
  return Promise.race([work, silence]).finally(() => clearTimeout(timer));
}

/** SQLSTATEs about the connection: whoever raises one does not end the run, which goes on over the API. */
const endsConversation = /^(28|3D000|57P|08)/;

function toDirectError(name: string, thrown: unknown, host: string): NightshiftError {
  if (thrown instanceof NightshiftError) return thrown;
  const about = toConnectionError(thrown, host);
  if (about) {
    // Whatever became of this connection, the rest of the run goes on over the API.
    return new NightshiftError(
      'NS502',
      `The direct connection to Postgres failed: ${about.message}`,
      {
        detail: `${name}: ${about.detail}`,
        hint: about.code === 'NS422' ? `Check NIGHTSHIFT_DATABASE_URL. ${about.hint}` : about.hint,
        retryable: about.retryable,
        cause: thrown,
      },
    );
  }
  if (thrown instanceof postgres.PostgresError && !endsConversation.test(thrown.code)) {
    const { code, message, detail, hint } = thrown;
    return fromRpcFailure(name, { code, message, details: detail, hint }, 400, host);
  }
  return new NightshiftError('NS502', 'The direct connection to Postgres failed', {
    detail: `${name}: ${thrown instanceof Error && 'code' in thrown ? thrown.code : 'unknown reason'}`,
    hint: databaseUrlHint,
    cause: thrown,
  });
}
