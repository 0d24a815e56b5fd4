import PQueue from 'p-queue';
import { NightshiftError, repeatLook, rethrowIfFatal } from '../_shared/errors.ts';
import type { Job, JobContext, Outcome } from '../_shared/job.ts';
import { withHeartbeats } from '../_shared/lease.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { criticalPathsMs, type PlannedView, planRefresh } from './plan.ts';
import { refreshView } from './refresh.ts';
import { countMetrics, heldBack, nothingRefreshed, reportOf, stepOfPlan } from './report.ts';
import { apiCallTimeoutMs, isReady, runStatus } from './rules.ts';
import {
  listOfViewFacts,
  type RefreshInput,
  type RefreshReport,
  type RefreshStep,
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

const longLook = { timeoutMs: apiCallTimeoutMs, retry: repeatLook };

async function run(context: JobContext, input: RefreshInput): Promise<Outcome<RefreshReport>> {
  return withHeartbeats(context, async () => {
    const { views, planned } = await readPlan(context, input);
    if (input.dryRun) {
      const report = reportOf(planned.map(stepOfPlan), views, scopeOf(context, input));
      return { status: 'succeeded', report };
    }
    const steps = await refreshAll(context, planned, input);
    const refreshed = steps.filter(
      ({ status }, n) => status === 'refreshed' && planned[n]?.action === 'refresh',
    );
    return conclude(context, input, steps, { views, refreshed });
  });
}

async function readPlan(
  { rpc, run }: JobContext,
  { only, ancestors, descendants, force }: RefreshInput,
): Promise<{ views: ViewFacts[]; planned: PlannedView[] }> {
  const args = { ...leaseOf(run), ...(only ? { only_views: only } : {}) };
  const plan = await rpc.call('plan_view_refresh', args, refreshPlan, longLook);
  const isScheduled = run.trigger === 'schedule' && !only;
  const planned = planRefresh(plan.views, {
    only: only !== undefined,
    ancestors,
    descendants,
    force,
    nextRunSeconds: isScheduled ? plan.secondsSinceLastSchedule : null,
  });
  return { views: plan.views, planned };
}

async function conclude(
  context: JobContext,
  input: RefreshInput,
  steps: RefreshStep[],
  { views, refreshed }: { views: ViewFacts[]; refreshed: RefreshStep[] },
): Promise<Outcome<RefreshReport>> {
  const { run, metrics, stop } = context;
  const after = refreshed.length > 0 ? await readAgain(context) : views;
  const report = reportOf(steps, after ?? [], scopeOf(context, input));
  const progressed = refreshed.length > 0;
  const status = runStatus(steps, {
    progressed,
    attempt: run.attempt,
    stopped: stop.why !== undefined,
  });
  if (after) {
    const all = input.only ? undefined : after;
    countMetrics(metrics, report, { status, refreshed, after: all });
  }
  return { status, report, ...(status === 'failed' ? { error: nothingRefreshed(steps) } : {}) };
}

function scopeOf({ direct }: JobContext, { dryRun, only }: RefreshInput) {
  return { dryRun, only: only !== undefined, hasDirect: direct !== undefined };
}

/** The work is reported even when the age of the views cannot be read afterwards. */
async function readAgain({ rpc, log }: JobContext): Promise<ViewFacts[] | undefined> {
  const after = await rpc
    .call('list_refresh_policies', {}, listOfViewFacts, longLook)
    .catch(rethrowIfFatal);
  if (!(after instanceof NightshiftError)) return after;
  log.warn('The age of the views could not be read', { error: after.describe() });
  return undefined;
}

/** Starts each view as soon as every view that it reads is done. The steps are in the order of the plan. */
async function refreshAll(
  context: JobContext,
  planned: PlannedView[],
  { force, parallelism }: RefreshInput,
): Promise<RefreshStep[]> {
  const queue = new PQueue({ concurrency: parallelism });
  const budgetMs = context.deadline.remainingMs();
  const pathsMs = criticalPathsMs(planned);
  const total = planned.filter(({ action }) => action === 'refresh').length;
  const steps = new Map<string, Promise<RefreshStep>>();
  let done = 0;
  let stopped: unknown;

  const work = async (view: PlannedView): Promise<RefreshStep> => {
    if (stopped) throw stopped;
    try {
      return await refreshView(context, view, { force, budgetMs });
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
    return queue.add(() => work(view), { priority: pathsMs.get(view.facts.view) ?? 0 });
  };
  for (const view of planned) steps.set(view.facts.view, step(view));

  // Refreshes under way must end before the run does.
  const settled = await Promise.allSettled(steps.values());
  if (stopped) throw stopped;
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
