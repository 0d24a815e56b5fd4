import { NightshiftError, orStop, timedOut, worthRepeating } from '../_shared/errors.ts';
import type { Job, JobContext, Outcome } from '../_shared/job.ts';
import { withHeartbeats } from '../_shared/lease.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { callFits, type LockOutcome, withLockRetries } from './locks.ts';
import {
  addEarlier,
  creationGroups,
  detachesConcurrently,
  dropGroups,
  emptyTally,
  explain,
  fewerMoveRows,
  firstMoveRows,
  nextMoveRows,
  nothingMaintained,
  reportOf,
  runStatus,
  stepOf,
  stepOfPlan,
  type Tally,
} from './rules.ts';
import {
  beginDetachAnswer,
  createAnswers,
  defaultPartition,
  dropAnswers,
  earlierReport,
  finishDetachAnswer,
  type PartitionInput,
  type PartitionPlan,
  type PartitionReport,
  partitionInput,
  partitionPlan,
  retireAnswer,
  type TableState,
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

type Tallies = (table: string) => Tally;

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

/** A call that waits for locks is repeated on our schedule, with more patience each time, and not as it was. */
const once = worthRepeating(1);

async function measureDefaults(
  { rpc, run }: JobContext,
  { tables }: Pick<PartitionPlan, 'tables'>,
  tallies: Tallies,
): Promise<void> {
  for (const { table, defaultPartition: name } of tables) {
    if (name === null) continue;
    const args = { ...leaseOf(run), table_name: table };
    try {
      tallies(table).defaultPartition = await rpc.call(
        'measure_default_partition',
        args,
        defaultPartition,
        { retry: once },
      );
    } catch (thrown) {
      const { message } = orStop(thrown);
      tallies(table).warnings.push(`The rows of ${name} could not be counted: ${message}`);
    }
  }
}

async function createAll(
  context: JobContext,
  { tables }: PartitionPlan,
  tallies: Tallies,
): Promise<void> {
  const movable = (table: string) => tallies(table).defaultPartition?.movableRows ?? 0;
  const states = new Map(tables.map((state) => [state.table, state]));
  const groups = creationGroups(tables, movable);
  const total = groups.flat().length;
  const progress = { subject: 'partitions', unit: 'tables', total };
  const settled = new Set<string>();

  while (groups.length > 0) {
    const group = groups.shift() ?? [];
    try {
      const { busy, waiting } = await createGroup(context, group, tallies, (table) => {
        settled.add(table);
        context.onProgress({ ...progress, done: settled.size });
      });
      for (const table of busy) tallies(table).busy = true;
      for (const table of waiting) tallies(table).outOfTime = true;
    } catch (thrown) {
      const error = orStop(thrown);
      const [table = '', ...others] = group;
      const state = states.get(table);
      // What fails as a whole is tried one by one: one table must not stop the others.
      if (others.length > 0) groups.push(...group.map((one) => [one]));
      else if (state) tallies(table).error = explain(error, state);
    }
  }
}

async function createGroup(
  { rpc, run, deadline }: JobContext,
  group: string[],
  tallies: Tallies,
  settle: (table: string) => void,
) {
  let maxRows = firstMoveRows;
  return withLockRetries(deadline, group, async (tables, lockTimeoutMs) => {
    const args = { ...leaseOf(run), tables, lock_timeout_ms: lockTimeoutMs, max_rows: maxRows };
    const answers = await rpc
      .call('create_partitions', args, createAnswers, { retry: once })
      .catch((thrown: unknown) => {
        const error = orStop(thrown);
        const fewer = group.length === 1 ? fewerMoveRows(maxRows) : undefined;
        if (error.code !== timedOut || fewer === undefined) throw error;
        maxRows = fewer;
        return [];
      });
    const outcomes = new Map<string, LockOutcome>();
    for (const answer of answers) {
      const tally = tallies(answer.table);
      if (answer.outcome === 'made') {
        if (group.length === 1) maxRows = nextMoveRows(maxRows, answer.lockedMs);
        tally.created.push(...answer.created);
        tally.warnings.push(
          ...answer.created.flatMap(({ partition, warnings }) =>
            warnings.map((warning) => `${partition}: ${warning}`),
          ),
        );
      }
      if (answer.outcome === 'failed') {
        const { code, message, hint } = answer.error;
        tally.error = new NightshiftError(code, message, { hint });
      }
      const more = answer.outcome === 'made' && !answer.done;
      outcomes.set(answer.table, answer.outcome === 'busy' ? 'busy' : more ? 'more' : 'done');
      if (outcomes.get(answer.table) === 'done') settle(answer.table);
    }
    return outcomes;
  });
}

async function retire(context: JobContext, state: TableState, tally: Tally): Promise<void> {
  try {
    if (context.direct && detachesConcurrently(state)) {
      await retireConcurrently(context, state, tally);
    } else {
      await retireWithLocks(context, state, tally);
    }
  } catch (thrown) {
    tally.error ??= explain(orStop(thrown), state);
  }
}

async function retireWithLocks(
  { rpc, run, deadline }: JobContext,
  { table }: TableState,
  tally: Tally,
): Promise<void> {
  const left = await withLockRetries(deadline, [table], async (_, lockTimeoutMs) => {
    const args = { ...leaseOf(run), table_name: table, lock_timeout_ms: lockTimeoutMs };
    const answer = await rpc.call('retire_partitions', args, retireAnswer, { retry: once });
    tally.retired.push(...answer.retired);
    tally.blocked = answer.blocked;
    const outcomes = { retired: 'done', more: 'more', busy: 'busy' } as const;
    return new Map([[table, outcomes[answer.outcome]]]);
  });
  tally.busy ||= left.busy.length > 0;
  tally.outOfTime ||= left.waiting.length > 0;
}

/** Waits for the transactions that still read the table, and makes nobody wait meanwhile. */
const detachMs = 60_000;

async function retireConcurrently(
  context: JobContext,
  state: TableState,
  tally: Tally,
): Promise<void> {
  const { rpc, direct, run, deadline } = context;
  while (true) {
    if (!callFits(deadline.remainingMs())) {
      tally.outOfTime = true;
      return;
    }
    const args = { ...leaseOf(run), table_name: state.table };
    const answer = await rpc.call('begin_detach', args, beginDetachAnswer);
    if (answer.outcome === 'done') {
      tally.blocked = answer.blocked;
      return;
    }
    const timeoutMs = Math.min(detachMs, deadline.remainingMs() / 2);
    const failure = await direct?.execute(answer.statement, { timeoutMs }).catch(orStop);
    if (await finishDetach(context, answer.partition, state.table, () => tally)) continue;
    // Not to be had this way: then with locks, briefly. What waited in vain would have to wait for the same again.
    const waited = failure instanceof NightshiftError && failure.code === timedOut;
    if (waited) tally.busy = true;
    else await retireWithLocks(context, state, tally);
    return;
  }
}

/** Returns whether the partition is out of its table, and written down as that. */
async function finishDetach(
  { rpc, run, deadline }: JobContext,
  partition: string,
  table: string,
  tallies: Tallies,
): Promise<boolean> {
  let finished = false;
  const left = await withLockRetries(deadline, [partition], async (_, lockTimeoutMs) => {
    const args = { ...leaseOf(run), partition, lock_timeout_ms: lockTimeoutMs };
    const answer = await rpc.call('finish_detach', args, finishDetachAnswer, { retry: once });
    if (answer.outcome === 'retired') {
      tallies(table).retired.push(answer.retired);
      finished = true;
    }
    return new Map([[partition, answer.outcome === 'busy' ? 'busy' : 'done']]);
  });
  tallies(table).busy ||= left.busy.length > 0;
  return finished;
}

async function dropAll(
  { rpc, run, deadline }: JobContext,
  { drops }: PartitionPlan,
  tallies: Tallies,
): Promise<void> {
  const tableOf = new Map(drops.map(({ partition, table }) => [partition, table]));
  const tallyOf = (partition: string) => tallies(tableOf.get(partition) ?? '');
  for (const group of dropGroups(drops)) {
    try {
      const { busy, waiting } = await withLockRetries(deadline, group, async (partitions, ms) => {
        const args = { ...leaseOf(run), partitions, lock_timeout_ms: ms };
        const answers = await rpc.call('drop_retired_partitions', args, dropAnswers, {
          retry: once,
        });
        for (const answer of answers) {
          const { partition } = answer;
          if (answer.outcome === 'dropped') {
            tallyOf(partition).dropped.push({ partition, sizeBytes: answer.sizeBytes });
          }
          if (answer.outcome === 'kept') {
            tallyOf(partition).kept.push({ partition, reason: answer.reason });
          }
        }
        return new Map(
          answers.map(({ partition, outcome }) => [
            partition,
            outcome === 'busy' ? ('busy' as const) : ('done' as const),
          ]),
        );
      });
      for (const partition of busy) tallyOf(partition).busy = true;
      for (const partition of waiting) tallyOf(partition).outOfTime = true;
    } catch (thrown) {
      const error = orStop(thrown);
      for (const partition of group) tallyOf(partition).error ??= error;
    }
  }
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
