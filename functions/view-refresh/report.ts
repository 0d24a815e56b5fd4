import { NightshiftError, nothingDone, timedOut } from '../_shared/errors.ts';
import { type Fix, fixesOfError, nextRunGoesOn } from '../_shared/fix.ts';
import type { OutcomeStatus } from '../_shared/job.ts';
import type { Metrics } from '../_shared/metrics.ts';
import { blockedBy, type PlannedView } from './plan.ts';
import { apiLimitMs, inSeconds, isStale, timeHint } from './rules.ts';
import type { Refreshed, RefreshReport, RefreshStep, StepReason, ViewFacts } from './schema.ts';

type StepBase = Pick<RefreshStep, 'view' | 'fixes' | 'warnings' | 'notices'>;

export function baseOf({ view, warnings }: ViewFacts): StepBase {
  return { view, fixes: [], warnings, notices: [] };
}

/** Reports a view that is not refreshed now. */
export function stepOfPlan({ facts, action, reason, detail }: PlannedView): RefreshStep {
  const step = { ...baseOf(facts), reason, detail };
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

/** Reports a view whose refresh would not end before the deadline, or whose run was stopped before it. */
export function outOfTime(
  facts: ViewFacts,
  reason: StepReason,
  usualMs: number | null | undefined,
  stopped: string | undefined,
): RefreshStep {
  const takes = usualMs ? `; it takes ${inSeconds(usualMs)} or more` : '';
  const detail = stopped ?? `there was no time for it${takes}`;
  return { ...baseOf(facts), status: 'waiting', reason, detail };
}

/** Reports a view that reads one that was not refreshed. */
export function heldBack({ facts }: PlannedView, read: RefreshStep): RefreshStep {
  return read.status === 'waiting'
    ? { ...baseOf(facts), status: 'waiting', reason: read.reason, detail: read.detail }
    : { ...baseOf(facts), status: 'blocked', reason: 'blocked', detail: blockedBy(read.view) };
}

export function figuresOf(refreshed: Refreshed | null) {
  if (!refreshed) return {};
  const { mode, durationMs, rows, sizeBytes, deadRows } = refreshed;
  return { mode, durationMs, rows, sizeBytes, deadRows };
}

export function reportOf(
  steps: readonly RefreshStep[],
  after: readonly ViewFacts[],
  { dryRun, hasDirect, only }: { dryRun: boolean; hasDirect: boolean; only: boolean },
): RefreshReport {
  const count = (is: (step: RefreshStep) => boolean) => steps.filter(is).length;
  return {
    dryRun,
    viewsRefreshed: count((step) => step.status === 'refreshed'),
    viewsUnchanged: count((step) => step.status === 'skipped' && step.reason === 'unchanged'),
    stale: after
      .filter(isStale)
      .filter(({ view }) => steps.some((step) => step.view === view))
      .map(({ view, stalenessSeconds = 0, maxStalenessSeconds = 0 }) => ({
        view,
        stalenessSeconds,
        maxStalenessSeconds,
      })),
    steps: steps
      .map((step) => ({ ...step, fixes: fixesOf(step) }))
      .map((step) => (hasDirect ? step : withSlowness(step, after))),
    disabled: after.filter(({ enabled }) => !enabled && !only).map(({ view }) => view),
  };
}

/** What to do about a view that was not refreshed. */
function fixesOf({ view, status, reason, error }: RefreshStep): Fix[] {
  if (error) return fixesOfError(view, error);
  if (status === 'waiting') return [{ subject: view, fix: `${nextRunGoesOn} ${timeHint}` }];
  if (status !== 'blocked') return [];
  const fix =
    reason === 'busy'
      ? 'Another session is refreshing it; the next run looks again.'
      : 'Mend the view that it reads first, whose own step says how; then this one follows.';
  return [{ subject: view, fix }];
}

/** Warns before a refresh takes longer than the API allows. */
function withSlowness(step: RefreshStep, after: readonly ViewFacts[]): RefreshStep {
  const usualMs = after.find(({ view }) => view === step.view)?.usualMs ?? 0;
  if (usualMs <= apiLimitMs / 2) return step;
  const notice = `Its refresh takes ${inSeconds(usualMs)} of the ${inSeconds(apiLimitMs)} that the API allows: set NIGHTSHIFT_DATABASE_URL, so that it goes over a direct connection.`;
  return { ...step, notices: [notice] };
}

/** Why the run failed as a whole. */
export function nothingRefreshed(steps: readonly RefreshStep[]): NightshiftError {
  const subjects = steps.map(({ view, detail, error }) => ({ subject: view, why: detail, error }));
  return nothingDone('No view could be refreshed', subjects);
}

/** The metrics count what this attempt did; the report has the totals of the run. */
export function countMetrics(
  metrics: Metrics,
  { viewsUnchanged }: RefreshReport,
  {
    status,
    refreshed,
    after,
  }: {
    status: OutcomeStatus;
    refreshed: readonly RefreshStep[];
    /** All views; absent when the run was for a few, which says nothing about the rest. */
    after: readonly ViewFacts[] | undefined;
  },
): void {
  metrics.add('ViewsRefreshed', refreshed.length);
  // Each attempt skips the unchanged views again, so only the last one counts them.
  if (status !== 'continued') metrics.add('ViewsSkippedUnchanged', viewsUnchanged);
  for (const { durationMs } of refreshed) metrics.add('ViewRefreshMs', durationMs ?? 0);
  metrics.describe('views', refreshed.map(({ view }) => view).join(', '));
  if (!after) return;
  metrics.add('ViewsStale', after.filter(isStale).length);
  const ages = after
    .filter(({ enabled }) => enabled)
    .map(({ stalenessSeconds }) => stalenessSeconds ?? 0);
  if (ages.length > 0) metrics.add('ViewStalenessSeconds', Math.max(...ages));
}
