import type { Job, JobContext, Outcome } from '../_shared/job.ts';
import { withHeartbeats } from '../_shared/lease.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { createAll, measureDefaults } from './create.ts';
import { dropAll, finishDetach, retire } from './retire.ts';
import {
  addEarlier,
  emptyTally,
  nothingMaintained,
  reportOf,
  runStatus,
  stepOf,
  stepOfPlan,
  type Tallies,
  type Tally,
} from './rules.ts';
import {
  earlierReport,
  type PartitionInput,
  type PartitionPlan,
  type PartitionReport,
  partitionInput,
  partitionPlan,
} from './schema.ts';

export const job: Job<PartitionInput, PartitionReport> = {
  name: 'partition-maintenance',
  purpose: 'Makes the partitions that are needed ahead, and retires those whose time is over.',
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
  await measureDefaults(context, plan, tallies);
  if (input.dryRun) {
    const steps = plan.tables.map((state) => stepOfPlan(state, plan, tallies(state.table)));
    return { status: 'succeeded', report: reportOf(steps, { ...plan, dryRun: true }) };
  }

  for (const { partition, table } of plan.unfinished) {
    await finishDetach(context, partition, table, tallies);
  }
  await createAll(context, plan, tallies);
  for (const state of plan.tables) {
    const tally = tallies(state.table);
    // With new partitions, one that was the newest may be due.
    const mayBeDue = state.retention !== null && tally.created.length > 0;
    if (state.due.length > 0 || mayBeDue) await retire(context, state, tally);
  }
  await dropAll(context, plan, tallies);
  return outcomeOf(context, input, plan, tallies);
}

function readPlan({ rpc, run }: JobContext, { only }: PartitionInput): Promise<PartitionPlan> {
  const args = { ...leaseOf(run), ...(only ? { only_tables: only } : {}) };
  return rpc.call('plan_partition_maintenance', args, partitionPlan);
}

async function outcomeOf(
  context: JobContext,
  input: PartitionInput,
  plan: PartitionPlan,
  tallies: Tallies,
): Promise<Outcome<PartitionReport>> {
  const { run } = context;
  const done = plan.tables.map(({ table }) => tallies(table));
  const count = (pick: (tally: Tally) => number) => done.reduce((sum, t) => sum + pick(t), 0);
  const created = count((tally) => tally.created.length);
  const retired = count((tally) => tally.retired.length);
  const dropped = count((tally) => tally.dropped.length);
  const progressed = created + retired + dropped > 0;

  const after = progressed ? await readPlan(context, input) : plan;
  if (progressed) await measureDefaults(context, after, tallies);
  const earlier = earlierReport.safeParse(run.report).data;
  const steps = after.tables.map((state) =>
    stepOf(
      state,
      addEarlier(
        tallies(state.table),
        earlier?.steps.find(({ table }) => table === state.table),
      ),
    ),
  );
  const report = reportOf(steps, { ...after, dryRun: false });

  const { metrics } = context;
  metrics.add('PartitionsCreated', created);
  metrics.add('PartitionsRetired', retired);
  metrics.add('PartitionsDropped', dropped);
  metrics.add(
    'PartitionsOversized',
    after.tables.reduce((sum, { oversized }) => sum + oversized, 0),
  );
  metrics.add(
    'DefaultPartitionRows',
    steps.reduce((sum, step) => sum + (step.defaultPartition?.rows ?? 0), 0),
  );
  const horizons = steps.flatMap(({ horizonDays }) => horizonDays ?? []);
  if (horizons.length > 0) metrics.add('PartitionHorizonDays', Math.min(...horizons));
  metrics.describe('tables', steps.map(({ table }) => table).join(', '));

  const status = runStatus(steps, { progressed, attempt: run.attempt });
  return { status, report, ...(status === 'failed' ? { error: nothingMaintained(steps) } : {}) };
}
