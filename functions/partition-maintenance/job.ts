import { NightshiftError, repeatLook, rethrowIfFatal } from '../_shared/errors.ts';
import type { Job, JobContext, Outcome } from '../_shared/job.ts';
import { withHeartbeats } from '../_shared/lease.ts';
import { leaseOf, runDocument } from '../_shared/ledger.ts';
import { createPartitions } from './create.ts';
import { dropRetired } from './drop.ts';
import { measureDefaults } from './measure.ts';
import { countMetrics, nothingMaintained, reportOf, stepOf, stepOfPlan } from './report.ts';
import type { TableResults } from './results.ts';
import { finishDetaches, previewRetirement, retireAll } from './retire.ts';
import { releaseDefault } from './room-ahead.ts';
import { hasProgressed, hasWork, keptByPlan, retiresNow, runStatus } from './rules.ts';
import {
  noProgress,
  type PartitionInput,
  type PartitionPlan,
  type PartitionReport,
  partitionInput,
  partitionPlan,
  partitionProgress,
  type TableProgress,
} from './schema.ts';

export const job: Job<PartitionInput, PartitionReport> = {
  name: 'partition-maintenance',
  input: partitionInput,
  example: { dryRun: true, only: ['public.daily_metrics'], force: false },
  run,
};

type Results = (table: string) => TableResults;

async function run(context: JobContext, input: PartitionInput): Promise<Outcome<PartitionReport>> {
  return withHeartbeats(context, async () => {
    const plan = await readPlan(context, input);
    if (input.dryRun) return preview(context, plan, input);
    return conclude(context, input, plan, await maintain(context, plan));
  });
}

function readPlan({ rpc, run }: JobContext, { only }: PartitionInput): Promise<PartitionPlan> {
  const args = { ...leaseOf(run), ...(only ? { only_tables: only } : {}) };
  return rpc.call('plan_partition_maintenance', args, partitionPlan, { retry: repeatLook });
}

async function preview(
  context: JobContext,
  plan: PartitionPlan,
  input: PartitionInput,
): Promise<Outcome<PartitionReport>> {
  const measured = await measureDefaults(context, plan.tables);
  const steps = [];
  for (const state of plan.tables) {
    const results = {
      measured: measured.get(state.table),
      preview: await previewRetirement(context, state),
      dropped: keptByPlan(plan.drops).filter(({ table }) => table === state.table),
    };
    steps.push(stepOfPlan(state, results, plan, input));
  }
  return { status: 'succeeded', report: reportOf(steps, { ...plan, dryRun: true }) };
}

async function maintain(context: JobContext, plan: PartitionPlan): Promise<Results> {
  const withDefault = plan.tables.filter(({ defaultPartition }) => defaultPartition !== null);
  const others = plan.tables.filter(({ defaultPartition }) => defaultPartition === null);

  for (const { table, excludes } of plan.tables) {
    if (excludes) await releaseDefault(context, table);
  }
  const finished = await finishDetaches(context, plan.unfinished);
  const created = await createPartitions(context, others);
  const measured = await measureDefaults(context, withDefault);
  const emptied = await createPartitions(context, withDefault, measured);
  const worked = (table: string) => ({
    finished: finished.get(table),
    created: created.get(table) ?? emptied.get(table),
    measured: measured.get(table),
  });
  const due = plan.tables.filter((state) => retiresNow(state, worked(state.table)));
  const retired = await retireAll(context, due);
  const dropped = await dropRetired(context, plan.drops);

  return (table) => ({
    ...worked(table),
    retired: retired.get(table),
    dropped: dropped.filter((drop) => drop.table === table),
  });
}

async function conclude(
  context: JobContext,
  input: PartitionInput,
  plan: PartitionPlan,
  results: Results,
): Promise<Outcome<PartitionReport>> {
  const { run, metrics, stop } = context;
  const worked =
    plan.drops.length + plan.unfinished.length > 0 ||
    plan.tables.some((state) => hasWork(state, results(state.table)));
  const earlier = partitionProgress.parse(run.progress).steps;
  const progress = worked ? await readProgress(context) : earlier;
  const after = worked ? await readAgain(context, input, plan) : plan;
  const measuredAgain = worked ? await measureDefaults(context, after.tables) : undefined;

  const steps = after.tables.map((state) => {
    const { table } = state;
    const result = { ...results(table), measuredAgain: measuredAgain?.get(table) };
    return stepOf(state, result, progress[table] ?? noProgress);
  });
  const report = reportOf(steps, { ...after, dryRun: false });
  countMetrics(metrics, report, { earlier, tables: after.tables, only: input.only });
  const progressed = hasProgressed(earlier, progress);
  const status = runStatus(steps, {
    progressed,
    attempt: run.attempt,
    stopped: stop.why !== undefined,
  });
  return { status, report, ...(status === 'failed' ? { error: nothingMaintained(steps) } : {}) };
}

/** The ledger knows what was done even when the answers that said so were lost. */
async function readProgress({ rpc, run }: JobContext): Promise<Record<string, TableProgress>> {
  const { progress } = await rpc.call('heartbeat_run', leaseOf(run), runDocument);
  return partitionProgress.parse(progress).steps;
}

/** The work is reported even when the state after it cannot be read. */
async function readAgain(
  context: JobContext,
  input: PartitionInput,
  before: PartitionPlan,
): Promise<PartitionPlan> {
  const after = await readPlan(context, input).catch(rethrowIfFatal);
  if (!(after instanceof NightshiftError)) return after;
  context.log.warn('The state after the run could not be read', { error: after.describe() });
  return before;
}
