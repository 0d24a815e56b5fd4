import PQueue from 'p-queue';
import * as z from 'zod';
import { pause } from '../_shared/clock.ts';
import { NightshiftError, notLocked, orStop } from '../_shared/errors.ts';
import type { Job, JobContext, Outcome } from '../_shared/job.ts';
import { withHeartbeats } from '../_shared/lease.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { criticalPathsMs, type PlannedView, planRefresh } from './plan.ts';
import {
  apiCallTimeoutMs,
  apiLimitMs,
  base,
  directTimeoutMs,
  explain,
  figuresOf,
  heldBack,
  isReady,
  isStale,
  nothingRefreshed,
  otherWay,
  outOfTime,
  refreshFits,
  repeatRefresh,
  runStatus,
  stepOfPlan,
  wayOf,
  withSlowness,
} from './rules.ts';
import {
  listOfViewFacts,
  type RefreshInput,
  type RefreshReport,
  type RefreshStep,
  refreshAnswer,
  refreshInput,
  refreshPlan,
  type ViewFacts,
} from './schema.ts';

export const job: Job<RefreshInput, RefreshReport> = {
  name: 'view-refresh',
  input: refreshInput,
  example: { dryRun: true, only: ['public.sales_by_day'], descendants: true },
  run,
};

async function run(context: JobContext, input: RefreshInput): Promise<Outcome<RefreshReport>> {
  return withHeartbeats(context, () => planAndRefresh(context, input));
}

async function planAndRefresh(
  context: JobContext,
  input: RefreshInput,
): Promise<Outcome<RefreshReport>> {
  const { rpc, run } = context;
  const only = input.only !== undefined;
  const args = { ...leaseOf(run), ...(input.only ? { only_views: input.only } : {}) };
  const longCall = { timeoutMs: apiCallTimeoutMs };
  const { views, secondsSinceLastSchedule } = await rpc.call(
    'plan_view_refresh',
    args,
    refreshPlan,
    longCall,
  );
  const planned = planRefresh(views, {
    only,
    ancestors: input.ancestors,
    descendants: input.descendants,
    force: input.force,
    nextRunSeconds: run.trigger === 'schedule' && !only ? secondsSinceLastSchedule : null,
  });
  if (input.dryRun) {
    return outcomeOf(context, planned.map(stepOfPlan), views, { refreshed: 0, only });
  }

  const steps = await refreshAll(context, planned, input);
  const refreshed = steps.filter(
    ({ status }, n) => status === 'refreshed' && planned[n]?.action === 'refresh',
  );
  const progress = { refreshed: refreshed.length, only };
  const after =
    refreshed.length > 0
      ? await rpc.call('list_refresh_policies', {}, listOfViewFacts, longCall).catch(orStop)
      : views;
  if (after instanceof NightshiftError) {
    context.log.warn('The age of the views could not be read', { error: after.describe() });
    return outcomeOf(context, steps, [], progress);
  }
  const outcome = outcomeOf(context, steps, after, progress);
  countMetrics(context, outcome, refreshed, input.only ? undefined : after);
  return outcome;
}

/** Starts each view as soon as all that it reads is done, as many at once as asked for; the steps are in the order of the plan. */
async function refreshAll(
  context: JobContext,
  planned: PlannedView[],
  { force, parallelism }: RefreshInput,
): Promise<RefreshStep[]> {
  const queue = new PQueue({ concurrency: parallelism });
  const budgetMs = context.deadline.remainingMs();
  const ways = criticalPathsMs(planned);
  const total = planned.filter(({ action }) => action === 'refresh').length;
  const steps = new Map<string, Promise<RefreshStep>>();
  let done = 0;
  let stopped: unknown;

  const work = async (view: PlannedView): Promise<RefreshStep> => {
    if (stopped) throw stopped;
    try {
      return await refresh(context, view, { force, budgetMs });
    } catch (thrown) {
      stopped = thrown;
      throw thrown;
    } finally {
      context.onProgress({ subject: 'refresh', unit: 'views', done: ++done, total });
    }
  };
  const step = async (view: PlannedView): Promise<RefreshStep> => {
    const above = await Promise.all(view.reads.map((name) => steps.get(name)));
    if (view.action !== 'refresh') return stepOfPlan(view);
    const notReady = above.find((read) => read && !isReady(read));
    if (notReady) return heldBack(view, notReady);
    return queue.add(() => work(view), { priority: ways.get(view.facts.view) ?? 0 });
  };
  for (const view of planned) steps.set(view.facts.view, step(view));

  // What is under way ends before the run does: a refresh left alone would outlive it.
  const settled = await Promise.allSettled(steps.values());
  if (stopped) throw stopped;
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

async function refresh(
  context: JobContext,
  { facts, reason, detail }: PlannedView,
  { force, budgetMs }: { force: boolean; budgetMs: number },
): Promise<RefreshStep> {
  const { clock, deadline, direct } = context;
  const { usualMs } = facts;
  const fits = (ms: typeof usualMs) =>
    refreshFits({ remainingMs: deadline.remainingMs(), budgetMs }, ms);
  if (!fits(usualMs)) return outOfTime(facts, reason, usualMs);

  const startedMs = clock.nowMs();
  let over = wayOf(usualMs, direct !== undefined);
  try {
    const call = () => callRefresh(context, facts.view, force, over);
    const answer = await call().catch((thrown: unknown) => {
      const error = orStop(thrown);
      const other = direct && otherWay(error, over, usualMs);
      if (!other) throw error;
      // A short budget has not enough left for what the API was too short for; the next attempt has more.
      if (other === 'direct' && !fits(apiLimitMs)) return undefined;
      over = other;
      return call();
    });
    if (!answer) return outOfTime(facts, reason, apiLimitMs);
    if (answer.outcome === 'refreshed') {
      const { modeReason } = facts;
      return {
        ...base(facts),
        status: 'refreshed',
        reason,
        detail: answer.detail,
        over,
        ...figuresOf(answer),
        ...(modeReason ? { modeReason } : {}),
      };
    }
    return {
      ...base(facts),
      status: answer.outcome === 'busy' ? 'blocked' : 'skipped',
      reason: answer.outcome,
      detail: answer.detail,
    };
  } catch (thrown) {
    const durationMs = clock.nowMs() - startedMs;
    const error = explain(orStop(thrown), facts.view, durationMs, over);
    await recordFailure(context, { view: facts.view, reason, detail, durationMs, error });
    return {
      ...base(facts),
      status: 'failed',
      reason,
      detail,
      over,
      durationMs,
      error: error.describe(),
    };
  }
}

async function callRefresh(
  { rpc, direct, run, clock, deadline }: JobContext,
  view: string,
  force: boolean,
  over: 'api' | 'direct',
) {
  const args = { ...leaseOf(run), view, force };
  if (over === 'direct' && direct) {
    const timeoutMs = () => directTimeoutMs(deadline.remainingMs());
    return direct.call('refresh_view', args, refreshAnswer, { timeoutMs, retry: repeatRefresh });
  }
  let answerLost = false;
  const retry = (error: NightshiftError, attempt: number) => {
    answerLost ||= error.code !== notLocked;
    return repeatRefresh(error, attempt);
  };
  const call = () =>
    rpc.call('refresh_view', args, refreshAnswer, { retry, timeoutMs: apiCallTimeoutMs });
  let answer = await call();
  // The session that is refreshing it may be that of our own call, whose answer was lost.
  const giveUpMs = clock.nowMs() + (answerLost ? apiLimitMs : 0);
  while (answer.outcome === 'busy' && clock.nowMs() < giveUpMs) {
    await pause(500);
    answer = await call();
  }
  return answer;
}

async function recordFailure(
  { rpc, run }: JobContext,
  failed: Pick<RefreshStep, 'view' | 'reason' | 'detail'> & {
    durationMs: number;
    error: NightshiftError;
  },
): Promise<void> {
  const { view, reason, detail, error } = failed;
  const args = {
    ...leaseOf(run),
    view,
    reason,
    detail,
    duration_ms: Math.round(failed.durationMs),
    error: { code: error.code, message: error.message },
  };
  // The report has it as well; without the record the rest of the run is none the worse.
  await rpc.call('record_refresh_failure', args, z.unknown(), { retry: () => false }).catch(orStop);
}

function outcomeOf(
  { run, direct }: JobContext,
  steps: RefreshStep[],
  after: ViewFacts[],
  { refreshed, only }: { refreshed: number; only: boolean },
): Outcome<RefreshReport> {
  const status = run.dryRun
    ? 'succeeded'
    : runStatus(steps, { progressed: refreshed > 0, attempt: run.attempt });
  const count = (is: (step: RefreshStep) => boolean) => steps.filter(is).length;
  const report = {
    dryRun: run.dryRun,
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
    steps: direct ? steps : steps.map((step) => withSlowness(step, after)),
    disabled: after.filter(({ enabled }) => !enabled && !only).map(({ view }) => view),
  };
  return { status, report, ...(status === 'failed' ? { error: nothingRefreshed(steps) } : {}) };
}

/** What this attempt did; the report has the totals of the run. */
function countMetrics(
  { metrics }: JobContext,
  { status, report }: Outcome<RefreshReport>,
  refreshed: RefreshStep[],
  /** All views; absent after a look at a few, which says nothing of the rest. */
  after: ViewFacts[] | undefined,
): void {
  metrics.add('ViewsRefreshed', refreshed.length);
  // Skipped again in each attempt, they count in the last.
  if (status !== 'continued') metrics.add('ViewsSkippedUnchanged', report.viewsUnchanged);
  for (const { durationMs } of refreshed) metrics.add('ViewRefreshMs', durationMs ?? 0);
  metrics.describe('views', refreshed.map(({ view }) => view).join(', '));
  if (!after) return;
  metrics.add('ViewsStale', after.filter(isStale).length);
  const ages = after
    .filter(({ enabled }) => enabled)
    .map(({ stalenessSeconds }) => stalenessSeconds ?? 0);
  if (ages.length > 0) metrics.add('ViewStalenessSeconds', Math.max(...ages));
}
