import { NightshiftError, orStop } from '../_shared/errors.ts';
import type { Job, JobContext, Outcome } from '../_shared/job.ts';
import { withHeartbeats } from '../_shared/lease.ts';
import { leaseOf, runDocument } from '../_shared/ledger.ts';
import { createAll, measureDefaults } from './create.ts';
import { dropAll, finishUnfinished, noteKept, previewRetirement, retire } from './retire.ts';
import {
  countOf,
  emptyTally,
  hasWork,
  nothingMaintained,
  reportOf,
  runStatus,
  stepOf,
  stepOfPlan,
  type Tallies,
  type Tally,
} from './rules.ts';
import {
  type Deeds,
  noDeeds,
  type PartitionInput,
  type PartitionPlan,
  type PartitionReport,
  partitionInput,
  partitionPlan,
  partitionProgress,
} from './schema.ts';

/** Of a policy whose horizon is measured in days at all: twice what the alarm asks for. */
const minRoomDays = 14;

export const job: Job<PartitionInput, PartitionReport> = {
  name: 'partition-maintenance',
  input: partitionInput,
  example: { dryRun: true, only: ['public.daily_metrics'], force: false },
  run,
};

async function run(context: JobContext, input: PartitionInput): Promise<Outcome<PartitionReport>> {
  return withHeartbeats(context, () => maintain(context, input));
}

async function maintain(
  context: JobContext,
  input: PartitionInput,
): Promise<Outcome<PartitionReport>> {
  const plan = await readPlan(context, input);
  const byTable = new Map<string, Tally>();
  const tallies: Tallies = (table) => {
    const tally = byTable.get(table) ?? emptyTally();
    byTable.set(table, tally);
    return tally;
  };
  const withDefault = plan.tables.filter(({ defaultPartition }) => defaultPartition !== null);
  const others = plan.tables.filter(({ defaultPartition }) => defaultPartition === null);
  if (input.dryRun) {
    await measureDefaults(context, withDefault, tallies);
    noteKept(plan.drops, tallies);
    for (const state of plan.tables) {
      await previewRetirement(context, state, tallies(state.table));
    }
    const steps = plan.tables.map((state) => stepOfPlan(state, plan, tallies(state.table), input));
    return { status: 'succeeded', report: reportOf(steps, { ...plan, dryRun: true }) };
  }

  for (const { partition, table } of plan.unfinished) {
    await finishUnfinished(context, partition, tallies(table));
  }
  await createAll(context, others, tallies);
  await measureDefaults(context, withDefault, tallies);
  await createAll(context, withDefault, tallies);
  for (const state of plan.tables) {
    const tally = tallies(state.table);
    // With new partitions, one that was the newest may be due.
    const mayBeDue = state.retention !== null && tally.hasGrown;
    if ((state.due.length > 0 || mayBeDue) && !tally.busy) await retire(context, state, tally);
  }
  await dropAll(context, plan, tallies);
  return outcomeOf(context, input, plan, tallies);
}

function readPlan({ rpc, run }: JobContext, { only }: PartitionInput): Promise<PartitionPlan> {
  const args = { ...leaseOf(run), ...(only ? { only_tables: only } : {}) };
  return rpc.call('plan_partition_maintenance', args, partitionPlan);
}

/** What was done is done, and is reported, also when the state after it cannot be read. */
async function readAgain(
  context: JobContext,
  input: PartitionInput,
  before: PartitionPlan,
): Promise<PartitionPlan> {
  const after = await readPlan(context, input).catch(orStop);
  if (!(after instanceof NightshiftError)) return after;
  context.log.warn('The state after the run could not be read', { error: after.describe() });
  return before;
}

async function outcomeOf(
  context: JobContext,
  input: PartitionInput,
  plan: PartitionPlan,
  tallies: Tallies,
): Promise<Outcome<PartitionReport>> {
  const { rpc, run } = context;
  // Whatever the answers said: some may have been lost.
  const worked =
    plan.drops.length + plan.unfinished.length > 0 ||
    plan.tables.some((state) => hasWork(state, tallies(state.table)));
  const now = worked ? await rpc.call('heartbeat_run', leaseOf(run), runDocument) : run;
  const { steps: deeds } = partitionProgress.parse(now.progress);
  const after = worked ? await readAgain(context, input, plan) : plan;
  if (worked) await measureDefaults(context, after.tables, tallies);
  const steps = after.tables.map((state) =>
    stepOf(state, tallies(state.table), deeds[state.table] ?? noDeeds),
  );
  const report = reportOf(steps, { ...after, dryRun: false });
  countMetrics(context, report, after, input);
  const before = partitionProgress.parse(run.progress).steps;
  const total = (of: Record<string, Deeds>) =>
    Object.values(of).reduce((sum, table) => sum + countOf(table), 0);
  const progressed = total(deeds) > total(before);
  const status = runStatus(steps, { progressed, attempt: run.attempt });
  return { status, report, ...(status === 'failed' ? { error: nothingMaintained(steps) } : {}) };
}

/** What this attempt did; the report has the totals of the run. */
function countMetrics(
  { metrics, run }: JobContext,
  { steps }: PartitionReport,
  { tables }: PartitionPlan,
  { only }: PartitionInput,
): void {
  const earlier = partitionProgress.parse(run.progress).steps;
  const added = (kind: keyof Deeds) =>
    steps.reduce(
      (sum, step) => sum + step[kind].length - (earlier[step.table] ?? noDeeds)[kind].length,
      0,
    );
  metrics.add('PartitionsCreated', added('created'));
  metrics.add('PartitionsRetired', added('retired'));
  metrics.add('PartitionsDropped', added('dropped'));
  metrics.describe('tables', steps.map(({ table }) => table).join(', '));
  // A look at a few tables says nothing of the rest.
  if (only) return;
  metrics.add(
    'PartitionsOversized',
    tables.reduce((sum, { oversized }) => sum + oversized, 0),
  );
  // What could not be counted is unknown, and so is the sum: no figure is better than a low one.
  const counted = tables.every(
    ({ table, defaultPartition }) =>
      defaultPartition === null || steps.find((step) => step.table === table)?.defaultPartition,
  );
  if (counted) {
    metrics.add(
      'DefaultPartitionRows',
      steps.reduce((sum, step) => sum + (step.defaultPartition?.rows ?? 0), 0),
    );
  }
  // Where partitions are so short that there never is a fortnight of room, the health check measures each by its own policy.
  const horizons = tables
    .filter(({ roomDays = minRoomDays }) => roomDays >= minRoomDays)
    .flatMap(({ horizonDays }) => horizonDays ?? []);
  if (horizons.length > 0) metrics.add('PartitionHorizonDays', Math.min(...horizons));
}
