import { repeatLook } from '../_shared/errors.ts';
import type { Job, JobContext, Outcome } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { countMetrics, due, nothingVacuumed, reportOf, stepOfVacuumed, tooLong } from './report.ts';
import { inTurn, isDone, runStatus, takesTooLong } from './rules.ts';
import {
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
  { dryRun, only }: VacuumInput,
): Promise<Outcome<VacuumReport>> {
  const { rpc, run, metrics, stop } = context;
  const args = { ...leaseOf(run), ...(only ? { only_tables: only } : {}) };
  const plan = await rpc.call('plan_table_vacuum', args, vacuumPlan, {
    timeoutMs: lookTimeoutMs,
    retry: repeatLook,
  });
  if (dryRun) {
    const report = reportOf(plan.tables.map(due), { dryRun, heldBy: plan.heldBy });
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
  const report = reportOf(steps, { dryRun, heldBy: plan.heldBy });
  const status = runStatus(steps, {
    progressed: now.some((step) => step.status === 'vacuumed'),
    attempt: run.attempt,
    stopped: stop.why !== undefined,
  });
  countMetrics(metrics, steps, { status, earlier: new Set(earlier.map(({ table }) => table)) });
  return { status, report, ...(status === 'failed' ? { error: nothingVacuumed(steps) } : {}) };
}
