import { repeatLook, rethrowIfFatal } from '../_shared/errors.ts';
import type { Job, JobContext, Outcome } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { dueIndex } from './index-report.ts';
import { rebuildAll } from './reindex.ts';
import { countMetrics, due, nothingVacuumed, reportOf, stepOfVacuumed, tooLong } from './report.ts';
import { inTurn, isDone, isRebuilt, runStatus, takesTooLong } from './rules.ts';
import {
  type Bloat,
  listOfBloat,
  listOfIndexFacts,
  reindexProgress,
  type VacuumInput,
  type VacuumReport,
  vacuumInput,
  vacuumPlan,
  vacuumProgress,
} from './schema.ts';
import { vacuumAll } from './vacuum.ts';

export const job: Job<VacuumInput, VacuumReport> = {
  name: 'table-vacuum',
  input: vacuumInput,
  example: { dryRun: true, only: ['public.orders'] },
  run,
};

/** Below the 60 s after which the API ends a call: the statistics of every table are looked at. */
const lookTimeoutMs = 57_000;

async function run(
  context: JobContext,
  { dryRun, only, reindex }: VacuumInput,
): Promise<Outcome<VacuumReport>> {
  const { rpc, run, metrics, stop } = context;
  const args = { ...leaseOf(run), ...(only ? { only_tables: only } : {}) };
  const look = { timeoutMs: lookTimeoutMs, retry: repeatLook };
  // Who asks for an index alone has not asked for tables.
  const plan =
    reindex && !only
      ? { tables: [], heldBy: null }
      : await rpc.call('plan_table_vacuum', args, vacuumPlan, look);
  const indexArgs = { ...leaseOf(run), index_names: reindex ?? [] };
  const toRebuild = reindex
    ? await rpc.call('plan_reindex', indexArgs, listOfIndexFacts, look)
    : [];
  if (dryRun) {
    const bloat = await lookForBloat(context, only);
    const report = reportOf(plan.tables.map(due), {
      dryRun,
      heldBy: plan.heldBy,
      bloat,
      indexes: toRebuild.map(dueIndex),
    });
    return { status: 'succeeded', report };
  }

  const progress = vacuumProgress.parse(run.progress).steps;
  const earlier = Object.entries(progress).flatMap(([table, step]) =>
    isDone(step) ? [stepOfVacuumed(table, step)] : [],
  );
  const left = inTurn(plan.tables, progress);
  const tried = left.filter(({ table }) => !takesTooLong(progress, table));
  const now = await vacuumAll(context, tried);
  const given = left.filter((facts) => !tried.includes(facts)).map(tooLong);
  const steps = [...earlier, ...now, ...given];
  const rebuiltBefore = reindexProgress.parse(run.progress).indexes;
  const indexes = await rebuildAll(context, toRebuild, rebuiltBefore);
  const bloat = await lookForBloat(context, only);
  const report = reportOf(steps, { dryRun, heldBy: plan.heldBy, bloat, indexes });
  const status = runStatus([...steps, ...indexes], {
    progressed:
      now.some((step) => step.status === 'vacuumed') ||
      indexes.some(({ index, status }) => status === 'rebuilt' && !isRebuilt(rebuiltBefore[index])),
    attempt: run.attempt,
    stopped: stop.why !== undefined,
  });
  countMetrics(metrics, steps, { status, earlier: new Set(earlier.map(({ table }) => table)) });
  return { status, report, ...(status === 'failed' ? { error: nothingVacuumed(report) } : {}) };
}

/** The database gives up after 30 s. */
const bloatTimeoutMs = 35_000;
/** In less time nothing can be looked for that the end of the run would not need. */
const leastBloatMs = 6_000;

/** After the vacuums, whose figures it goes by. What it finds is beside the point of the run, and no reason to fail it. */
async function lookForBloat(
  { rpc, run, deadline, stop, log }: JobContext,
  only: string[] | undefined,
): Promise<Bloat[] | null> {
  const leftMs = deadline.remainingMs() - leastBloatMs;
  if (leftMs <= 0 || stop.why !== undefined) return null;
  const args = { ...leaseOf(run), ...(only ? { only_tables: only } : {}) };
  const timeoutMs = Math.min(bloatTimeoutMs, leftMs);
  try {
    return await rpc.call('report_bloat', args, listOfBloat, { timeoutMs, retry: () => false });
  } catch (thrown) {
    const error = rethrowIfFatal(thrown).describe();
    log.warn('Bloat could not be estimated', { error });
    return null;
  }
}
