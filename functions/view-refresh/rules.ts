import {
  cancelledByHand,
  NightshiftError,
  nothingDone,
  timedOut,
  worthRepeating,
} from '../_shared/errors.ts';
import type { OutcomeStatus } from '../_shared/job.ts';
import { blockedBy, type PlannedView } from './plan.ts';
import type { Refreshed, RefreshStep, StepReason, ViewFacts } from './schema.ts';

/** How long the API lets a refresh run: nightshift.refresh_view sets it, below the 60 s after which the API gives up. */
export const apiLimitMs = 50_000;

/** The API ends every call after 60 s; by then Postgres has given up, unless nothing answers at all. */
export const apiCallTimeoutMs = apiLimitMs + 7_000;

/** A refresh that usually needs more than half of what the API allows goes past it, where that is possible. */
export function wayOf(usualMs: number | null | undefined, hasDirect: boolean): 'api' | 'direct' {
  return hasDirect && (usualMs ?? 0) > apiLimitMs / 2 ? 'direct' : 'api';
}

/** Kept back to write the end of the run. */
const closingMs = 1_000;

/** From this budget on an invocation has all the time that there is; a shorter one, of HTTP, can hand over to a longer. */
const longBudgetMs = 60_000;

/**
 * Whether a view that takes half as long again as it usually does would be done before the deadline. At the beginning of a
 * long budget anything may try: it gets no better chance.
 */
export function refreshFits(
  { remainingMs, budgetMs }: { remainingMs: number; budgetMs: number },
  usualMs: number | null | undefined,
): boolean {
  const isLong = budgetMs >= longBudgetMs;
  // Nobody knows how long a first refresh takes; over HTTP it is tried all the same, and the caller may hang up.
  const neededMs = usualMs == null ? (isLong ? apiLimitMs : 0) : 1.5 * usualMs;
  const enoughMs = isLong ? Math.min(neededMs, budgetMs / 2) : neededMs;
  return remainingMs > closingMs + enoughMs;
}

/** What a refresh over the direct connection may take. */
export function directTimeoutMs(remainingMs: number): number {
  return Math.max(Math.min(remainingMs, 2 ** 31 - 1) - closingMs, closingMs);
}

/** A lock that is not to be had in time is asked for again, with pauses outside of the transaction. */
export const repeatRefresh = worthRepeating(4);

/**
 * `continued` after progress, or when the first attempt had too little time for any view: the next one may have more.
 * A run that achieves nothing must not call itself again and again.
 */
export function runStatus(
  steps: readonly RefreshStep[],
  { progressed, attempt }: { progressed: boolean; attempt: number },
): OutcomeStatus {
  const bad = steps.filter(({ status }) => ['failed', 'blocked', 'waiting'].includes(status));
  const waiting = bad.some(({ status }) => status === 'waiting');
  if (waiting && (progressed || attempt === 1)) return 'continued';
  if (bad.length === 0) return 'succeeded';
  return bad.length === steps.length ? 'failed' : 'partial';
}

/** By which other way to try again: past a limit of the API, or around a connection that is not to be had. */
export function otherWay(
  error: NightshiftError,
  over: 'api' | 'direct',
  usualMs: number | null | undefined,
): 'api' | 'direct' | undefined {
  if (over === 'api') {
    return error.code === timedOut && error.detail !== cancelledByHand ? 'direct' : undefined;
  }
  return error.code === 'NS502' && (usualMs ?? 0) < apiLimitMs ? 'api' : undefined;
}

export function outOfTime(
  facts: ViewFacts,
  reason: StepReason,
  usualMs: number | null | undefined,
): RefreshStep {
  const takes = usualMs ? `; it takes ${inSeconds(usualMs)} or more` : '';
  return { ...base(facts), status: 'waiting', reason, detail: `there was no time for it${takes}` };
}

export function isReady({ status }: RefreshStep): boolean {
  return status === 'refreshed' || status === 'skipped';
}

export function heldBack({ facts }: PlannedView, read: RefreshStep): RefreshStep {
  return read.status === 'waiting'
    ? { ...base(facts), status: 'waiting', reason: read.reason, detail: read.detail }
    : { ...base(facts), status: 'blocked', reason: 'blocked', detail: blockedBy(read.view) };
}

export function base({ view, warnings }: ViewFacts): Pick<RefreshStep, 'view' | 'warnings'> {
  return { view, warnings };
}

/** The step of a view that is not refreshed now. */
export function stepOfPlan({ facts, action, reason, detail }: PlannedView): RefreshStep {
  const step = { ...base(facts), reason, detail };
  switch (action) {
    case 'refresh': {
      const { mode, modeReason } = facts;
      return {
        ...step,
        status: 'due',
        ...(mode ? { mode } : {}),
        ...(modeReason ? { modeReason } : {}),
      };
    }
    case 'skip':
      return { ...step, status: 'skipped' };
    case 'blocked':
      return { ...step, status: 'blocked' };
    case 'done':
      return { ...step, status: 'refreshed', ...figuresOf(facts.refreshed) };
    case 'fail': {
      const tooLong = facts.timedOutInRun ? 'it ran out of time earlier in this run' : detail;
      const error = new NightshiftError(
        reason === 'gone' ? 'NS404' : facts.timedOutInRun ? timedOut : 'NS422',
        `${facts.view}: ${facts.problem ?? tooLong}`,
        {
          hint:
            facts.fix ??
            (facts.timedOutInRun ? timeHint : undefined) ??
            `Create it again under its name, or: select nightshift.remove_refresh_policy('${facts.view.replaceAll("'", "''")}');`,
        },
      );
      return { ...step, status: 'failed', error: error.describe() };
    }
  }
}

export function figuresOf(refreshed: Refreshed | null) {
  if (!refreshed) return {};
  const { mode, durationMs, rows, sizeBytes, deadRows } = refreshed;
  return { mode, durationMs, rows, sizeBytes, deadRows };
}

function inSeconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}

const timeHint =
  'Give it the time it needs (a Lambda has at most 15 minutes), run it from the command line, or make its query cheaper.';

export function explain(
  error: NightshiftError,
  view: string,
  durationMs: number,
  over: 'api' | 'direct',
): NightshiftError {
  if (error.code !== timedOut || error.detail === cancelledByHand) return error;
  const took = inSeconds(durationMs);
  return over === 'api'
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

export function isStale({ enabled, stalenessSeconds, maxStalenessSeconds }: ViewFacts): boolean {
  return enabled && (stalenessSeconds ?? 0) >= (maxStalenessSeconds ?? Number.POSITIVE_INFINITY);
}

/** Before a view outgrows the API for good, it says so. */
export function withSlowness(step: RefreshStep, after: ViewFacts[]): RefreshStep {
  const usualMs = after.find(({ view }) => view === step.view)?.usualMs ?? 0;
  if (usualMs <= apiLimitMs / 2) return step;
  const warning = `Its refresh takes ${inSeconds(usualMs)} of the ${inSeconds(apiLimitMs)} that the API allows: set NIGHTSHIFT_DATABASE_URL, so that it goes over a direct connection.`;
  return { ...step, warnings: [...step.warnings, warning] };
}

export function nothingRefreshed(steps: readonly RefreshStep[]): NightshiftError {
  const subjects = steps.map(({ view, detail, error }) => ({ subject: view, why: detail, error }));
  return nothingDone('No view could be refreshed', subjects);
}
