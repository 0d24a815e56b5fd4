import { type Failure, SoftDeleteError } from './errors.ts';
import type { Client } from './types.ts';

/** The Data API ends a statement of a user or of service_role after 8 s by default; the rest is for the way, and for longer settings. */
const attemptTimeoutMs = 30_000;

/** With the pauses between them, 6 to 11 seconds. */
const retries = 6;
const minPauseMs = 200;
const maxPauseMs = 5_000;

/** The call was undone, so a repeat begins from nothing. After any other failure it may have been done, and its answer lost. */
const undone = /^(NS\d{3}|40\w{3}|55P03|57014|53\w{3})$/;
const transient = /^(NS425|40001|40P01|55P03|57P0[123]|53[03]00|08\w{3}|PGRST00[0-3])$/;
/** Also 425, which is what some map NS425 to, and the 520 to 544 of Cloudflare and of a project that is being restarted. */
const transientStatus = (status: number) => [0, 408, 425, 429].includes(status) || status >= 502;
const fromPostgrest = /^(PGRST\w+|[0-9A-Z]{5})$/;

export interface About {
  table?: string | undefined;
  operation?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface Answered<Answer> {
  answer: Answer;
  /** An earlier try may have done the same, and its answer was lost. */
  answerLost: boolean;
}

/** What is needed of a client. Its own types know the functions of the application's schema only. */
interface Caller {
  schema(name: string): {
    rpc(name: string, args: object): { abortSignal(signal: AbortSignal): PromiseLike<Response> };
  };
}

interface Response {
  data: unknown;
  error: { code?: string; message: string; details?: string | null; hint?: string | null } | null;
  status: number;
}

/**
 * Calls a function of schema nightshift. What may pass is tried again with jittered pauses, which is safe since a row that is
 * deleted or restored twice stays as the first time left it. Throws SoftDeleteError, and the signal's reason when aborted.
 */
export async function call<Database, Answer>(
  client: Client<Database>,
  name: string,
  args: object,
  isAnswer: (data: unknown) => data is Answer,
  { signal, ...about }: About,
): Promise<Answered<Answer>> {
  let answerLost = false;
  const attempt = async (): Promise<Answered<Answer>> => {
    const timeout = AbortSignal.timeout(attemptTimeoutMs);
    const { data, error, status } = await (client as unknown as Caller)
      .schema('nightshift')
      .rpc(name, args)
      .abortSignal(signal ? AbortSignal.any([signal, timeout]) : timeout);
    signal?.throwIfAborted();
    // Supabase-js takes a 404 with nothing, or a list, in it for an answer.
    if (!error && status < 400 && isAnswer(data)) return { answer: data, answerLost };
    answerLost ||= !undone.test(error?.code ?? '');
    throw toError(name, error, status, { ...about, answerLost });
  };
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      const again = error instanceof SoftDeleteError && isTransient(error) && tries <= retries;
      if (!again) throw error;
      await pause(Math.min(minPauseMs * 2 ** (tries - 1), maxPauseMs), signal);
    }
  }
}

/** For half of the time to all of it, by chance, so that those who met do not meet again. */
function pause(maxMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(end, (maxMs * (1 + Math.random())) / 2);
    signal?.addEventListener('abort', end);
  });
}

const isTransient = ({ code }: SoftDeleteError) => transient.test(code) || code === 'NS503';

function toError(
  name: string,
  error: Response['error'],
  status: number,
  about: Omit<Failure, 'code'>,
): SoftDeleteError {
  const code = error?.code ?? '';
  if (error && fromPostgrest.test(code)) {
    return new SoftDeleteError(error.message, {
      code,
      hint: hints[code] ?? error.hint ?? undefined,
      details: error.details ?? undefined,
      ...about,
    });
  }
  const passes = transientStatus(status) || status < 400 || status === 404;
  return new SoftDeleteError(
    status === 0
      ? 'The project could not be reached'
      : `Something before the Data API answered ${name}`,
    {
      code: passes ? 'NS503' : `HTTP${status}`,
      hint: 'Check the address and the key of the project, and its state in the dashboard.',
      details: status === 0 ? error?.message : `HTTP ${status}`,
      ...about,
    },
  );
}

/** Where PostgREST itself does not say the fix. */
const hints: Record<string, string> = {
  PGRST106:
    'Add nightshift to the exposed schemas: Project Settings > Data API, or api.schemas in supabase/config.toml.',
  PGRST202: "Apply the migrations of Nightshift, then run: notify pgrst, 'reload schema';",
  '42501':
    'A secret key needs it granted: select and update on the table, and on those that go along, to service_role. Users may call it for tables that are enabled for them (enable_soft_delete with for_users => true), and change what their row level security lets them.',
};

/** Quoted, so that it is found in its own schema and whatever its case. */
export function relationOf(table: string): string {
  const dot = table.indexOf('.');
  const parts = dot < 0 ? ['public', table] : [table.slice(0, dot), table.slice(dot + 1)];
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
}

/** As JSON: a bigint as text, which the database reads as the number it is. */
export function keysForJson(keys: readonly unknown[], about: About): unknown[] {
  const value = (given: unknown) => {
    if (typeof given === 'bigint') return given.toString();
    if (typeof given === 'number' && Number.isInteger(given) && !Number.isSafeInteger(given)) {
      throw new SoftDeleteError(`${given} is too large a number to be the key that was meant`, {
        code: 'NS422',
        hint: 'Pass it as a bigint, as in 9007199254740993n. What supabase-js reads as a number has been rounded: select id::text.',
        table: about.table,
        operation: about.operation,
      });
    }
    return given;
  };
  return keys.map((key) =>
    typeof key === 'object' && key !== null
      ? Object.fromEntries(Object.entries(key).map(([name, given]) => [name, value(given)]))
      : value(key),
  );
}

export const isObject = (data: unknown): data is object =>
  typeof data === 'object' && data !== null && !Array.isArray(data);

/** Adds the counts of one object of table names to those of another. */
export function addCounts(to: Record<string, number>, more: Record<string, number>): void {
  for (const [table, rows] of Object.entries(more)) to[table] = (to[table] ?? 0) + rows;
}
