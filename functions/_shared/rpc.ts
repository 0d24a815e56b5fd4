import { PostgrestClient } from '@supabase/postgrest-js';
import pRetry from 'p-retry';
import type * as z from 'zod';
import type { Access } from './access.ts';
import type { Deadline } from './clock.ts';
import type { Database } from './database.types.ts';
import { fromRpcFailure, NightshiftError } from './errors.ts';
import { unreachable } from './unreachable.ts';
import { migrate, version } from './version.ts';

export type Functions = Database['nightshift']['Functions'];
export type RpcName = keyof Functions & string;

export type Retry = (error: NightshiftError, attempt: number) => boolean;

interface CallOptions {
  retry?: Retry;
  timeoutMs?: number;
  patience?: Patience;
}

/** How long what may pass is waited for, while the deadline allows. */
interface Patience {
  retries: number;
  maxMs: number;
  /** Where that outlasts the deadline of the run. */
  until?: Deadline | undefined;
}

export interface Rpc {
  /**
   * Calls a function of schema nightshift and parses its answer. Transient failures are retried with jittered back-off
   * while the deadline allows; `retry` narrows which ones. `timeoutMs` limits one attempt, round trip included;
   * `patience` is for a call that must not fail for something that passes. Throws NightshiftError.
   */
  call<Name extends RpcName, Schema extends z.ZodType>(
    name: Name,
    args: Functions[Name]['Args'],
    answer: Schema,
    options?: CallOptions,
  ): Promise<z.output<Schema>>;
}

/** The API lets a statement of service_role run for 8 s; the rest is for the round trip. */
const defaultTimeoutMs = 15_000;

/**
 * With `somebodyWaits`, a project that has never answered is given up after a few seconds: to a person it is a mistyped
 * address. A function at night has nobody who waits, and once a project has answered it is worth the patience.
 */
export function createRpc(
  project: { url: string } & Access,
  deadline: Deadline,
  { somebodyWaits = false } = {},
): Rpc {
  const [apikey, bearer] =
    'secretKey' in project
      ? [project.secretKey, project.secretKey]
      : [project.publishableKey, project.runnerToken];
  const { host, origin } = new URL(project.url);
  // The part of supabase-js that is needed here, and a tenth of its size.
  const client = new PostgrestClient<Database, object, 'nightshift'>(`${origin}/rest/v1`, {
    schema: 'nightshift',
    headers: { apikey, authorization: `Bearer ${bearer}` },
    fetch: fetchStrictly,
  });

  let isThere = !somebodyWaits;
  const whileThere =
    (retry: Retry): Retry =>
    (error, attempt) =>
      (isThere || error.code !== 'NS503' || attempt <= retriesOfNobody) && retry(error, attempt);

  return {
    call(name, args, answer, { retry = () => true, timeoutMs = defaultTimeoutMs, patience } = {}) {
      const attempt = async () => {
        const { data, error, status } = await client
          .rpc(name, args as never)
          .abortSignal(AbortSignal.timeout(timeoutMs));
        if (status === 0) {
          throw unreachable(project.url, `${error?.message}\n${error?.details ?? ''}`);
        }
        if (error || status >= 400) {
          throw fromRpcFailure(name, error ?? { message: '' }, status, host);
        }
        const parsed = parseAnswer(name, data, answer);
        isThere = true;
        return parsed;
      };
      return retrying(attempt, deadline, whileThere(retry), patience);
    },
  };
}

/** The client takes a 404 with nothing or a list in it for success. PostgREST says why; what does not is no answer of it. */
const fetchStrictly: typeof fetch = async (...request) => {
  const response = await fetch(...request);
  if (response.status !== 404) return response;
  const body = await response.text();
  return new Response(body.trimStart().startsWith('{') ? body : '{}', { status: 404 });
};

/** With the pauses between them, not quite three seconds. */
const retriesOfNobody = 3;

const usualPatience: Patience = { retries: 6, maxMs: Number.POSITIVE_INFINITY };

/** Retries transient failures with jittered pauses, while the deadline allows and `retry` agrees. */
export function retrying<Answer>(
  attempt: () => Promise<Answer>,
  deadline: Deadline,
  retry: Retry,
  { retries, maxMs, until = deadline }: Patience = usualPatience,
): Promise<Answer> {
  return pRetry(attempt, {
    retries,
    minTimeout: 200,
    maxTimeout: 5_000,
    randomize: true,
    // Whoever has a deadline keeps two seconds more.
    maxRetryTime: Math.max(Math.min(until.remainingMs(), maxMs), 2_000),
    shouldRetry: ({ error, attemptNumber }) =>
      error instanceof NightshiftError && error.retryable && retry(error, attemptNumber),
  });
}

export function parseAnswer<Schema extends z.ZodType>(
  name: string,
  data: unknown,
  answer: Schema,
): z.output<Schema> {
  const parsed = answer.safeParse(data);
  if (parsed.success) return parsed.data;
  throw new NightshiftError('NS500', `${name} answered in an unknown shape`, {
    detail: parsed.error.issues.map((issue) => issue.path.join('.')).join(', '),
    hint: `The functions in the database are of another version than this, ${version}: ${migrate}, then deploy again.`,
  });
}
