import { createClient } from '@supabase/supabase-js';
import pRetry from 'p-retry';
import type * as z from 'zod';
import type { Access } from './access.ts';
import type { Deadline } from './clock.ts';
import type { Database } from './database.types.ts';
import { fromRpcFailure, NightshiftError } from './errors.ts';

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

export function createRpc(project: { url: string } & Access, deadline: Deadline): Rpc {
  const [key, authorization] =
    'secretKey' in project
      ? [project.secretKey, {}]
      : [project.publishableKey, { authorization: `Bearer ${project.runnerToken}` }];
  const client = createClient<Database, 'nightshift'>(project.url, key, {
    db: { schema: 'nightshift' },
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: { headers: authorization },
  });

  return {
    call(name, args, answer, { retry = () => true, timeoutMs = defaultTimeoutMs, patience } = {}) {
      const attempt = async () => {
        const { data, error, status } = await client
          .rpc(name, args as never)
          .abortSignal(AbortSignal.timeout(timeoutMs));
        if (error || isFailure(status)) {
          throw fromRpcFailure(name, error ?? { message: '' }, status === 204 ? 404 : status);
        }
        return parseAnswer(name, data, answer);
      };
      return retrying(attempt, deadline, retry, patience);
    },
  };
}

/** The client takes some failures for success: a 404 without a body is a 204 to it, which no function of ours answers with. */
function isFailure(status: number): boolean {
  return status === 204 || status >= 400;
}

const usualPatience: Patience = { retries: 6, maxMs: Number.POSITIVE_INFINITY };

/** Retries transient failures with jittered pauses, while the deadline allows and `retry` agrees. */
export function retrying<Answer>(
  attempt: () => Promise<Answer>,
  deadline: Deadline,
  retry: Retry,
  { retries, maxMs }: Patience = usualPatience,
): Promise<Answer> {
  return pRetry(attempt, {
    retries,
    minTimeout: 200,
    maxTimeout: 5_000,
    randomize: true,
    // Even past the deadline there is time reserved to record the end of the run.
    maxRetryTime: Math.max(Math.min(deadline.remainingMs(), maxMs), 2_000),
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
    hint: 'The functions in the database and this deployment are of different versions: apply supabase/migrations and deploy again.',
  });
}
