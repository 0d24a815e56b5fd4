import { cancelledByHand, NightshiftError, retryPolicy, timedOut } from '../_shared/errors.ts';
import type { OutcomeStatus } from '../_shared/job.ts';
import type { RefreshStep, Transport, ViewFacts } from './schema.ts';

/** The statement timeout of nightshift.refresh_view, below the 60 s after which the API ends a call. */
export const apiLimitMs = 50_000;

/** Leaves Postgres time to report its timeout, and still ends before the API does. */
export const apiCallTimeoutMs = apiLimitMs + 7_000;

/** A refresh that usually needs more than half of what the API allows takes the direct connection, if there is one. */
export function chooseTransport(usualMs: number | null | undefined, hasDirect: boolean): Transport {
  return hasDirect && (usualMs ?? 0) > apiLimitMs / 2 ? 'direct' : 'api';
}

/** Reserved to record the end of the run. */
export const closingMs = 1_000;

/** A shorter budget comes from HTTP, where a longer invocation can continue the run. */
const longBudgetMs = 60_000;

/**
 * Whether a view would be done before the deadline even if it took half as long again as usual. At the beginning of a
 * long budget every view may try, since no later attempt has more time.
 */
export function refreshFits(
  { remainingMs, budgetMs }: { remainingMs: number; budgetMs: number },
  usualMs: number | null | undefined,
): boolean {
  const isLong = budgetMs >= longBudgetMs;
  // How long a first refresh takes is unknown. Over HTTP it is tried all the same, and the caller may hang up.
  const neededMs = usualMs == null ? (isLong ? apiLimitMs : 0) : 1.5 * usualMs;
  const enoughMs = isLong ? Math.min(neededMs, budgetMs / 2) : neededMs;
  return remainingMs > closingMs + enoughMs;
}

/** The statement timeout of a refresh over the direct connection. */
export function directTimeoutMs(remainingMs: number): number {
  return Math.max(Math.min(remainingMs, 2 ** 31 - 1) - closingMs, closingMs);
}

/** A lock timeout is retried three times, with pauses outside the transaction. */
export const repeatRefresh = retryPolicy(4);

/**
 * A run out of time continues after progress, or when the first attempt had too little time for any view, since the next
 * may have more. A run that achieves nothing must not call itself again and again. One that was told to stop is continued
 * by nobody, and what waits in it did not fail.
 */
export function runStatus(
  steps: readonly RefreshStep[],
  { progressed, attempt, stopped }: { progressed: boolean; attempt: number; stopped: boolean },
): OutcomeStatus {
  const bad = steps.filter(({ status }) => ['failed', 'blocked', 'waiting'].includes(status));
  const waiting = bad.some(({ status }) => status === 'waiting');
  if (waiting && (progressed || attempt === 1 || stopped)) return 'continued';
  if (bad.length === 0) return 'succeeded';
  return bad.length === steps.length ? 'failed' : 'partial';
}

/** The transport for another try: direct after a timeout of the API, the API when the direct connection failed. */
export function otherTransport(
  error: NightshiftError,
  transport: Transport,
  usualMs: number | null | undefined,
): Transport | undefined {
  if (transport === 'api') {
    return error.code === timedOut && error.detail !== cancelledByHand ? 'direct' : undefined;
  }
  return error.code === 'NS502' && (usualMs ?? 0) < apiLimitMs ? 'api' : undefined;
}

export function isReady({ status }: RefreshStep): boolean {
  return status === 'refreshed' || status === 'skipped';
}

export function isStale({ enabled, stalenessSeconds, maxStalenessSeconds }: ViewFacts): boolean {
  return enabled && (stalenessSeconds ?? 0) >= (maxStalenessSeconds ?? Number.POSITIVE_INFINITY);
}

export function inSeconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}

export const timeHint =
  'Give it the time it needs (a Lambda has at most 15 minutes), run it from the command line, or make its query cheaper.';

export function explain(
  error: NightshiftError,
  view: string,
  durationMs: number,
  transport: Transport,
): NightshiftError {
  if (error.code !== timedOut || error.detail === cancelledByHand) return error;
  const took = inSeconds(durationMs);
  return transport === 'api'
    ? new NightshiftError(
        timedOut,
        `Refreshing ${view} was stopped after ${took} by the time limit of the API`,
        {
          hint: 'Set NIGHTSHIFT_DATABASE_URL (the session pooler): then it is refreshed over a direct connection, for as long as the function may run.',
          cause: error,
        },
      )
    : new NightshiftError(
        timedOut,
        `Refreshing ${view} was stopped after ${took}, when the time of the function was over`,
        {
          hint: timeHint,
          cause: error,
        },
      );
}
