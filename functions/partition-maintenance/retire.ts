import { NightshiftError, notLocked, orStop, timedOut } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { callFits, once, withLockRetries } from './locks.ts';
import { detachesConcurrently, dropGroups, explain, type Tallies, type Tally } from './rules.ts';
import {
  beginDetachAnswer,
  dropAnswers,
  finishDetachAnswer,
  listOfReasons,
  type PartitionPlan,
  retireAnswer,
  type TableState,
} from './schema.ts';

/** Detaches the partitions of a table that are due, without blocking anyone where that can be. */
export async function retire(context: JobContext, state: TableState, tally: Tally): Promise<void> {
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
    const answer = await rpc
      .call('retire_partitions', args, retireAnswer, { retry: once })
      .catch((thrown: unknown) => {
        // What it looks at before it locks the table can be locked as well.
        const error = orStop(thrown);
        if (error.code !== notLocked) throw error;
        return { outcome: 'busy' as const, blocked: [] };
      });
    tally.blocked = answer.blocked;
    const outcomes = { retired: 'done', more: 'more', busy: 'busy' } as const;
    return new Map([[table, outcomes[answer.outcome]]]);
  });
  tally.busy ||= left.busy.length > 0;
  tally.outOfTime ||= left.waiting.length > 0;
}

const detachMs = 60_000;

/**
 * It marks the partition, waits for whoever still reads the table, and then locks the partition: who reads that by its own
 * name waits behind it. What is not done by then is finished on the schedule for locks.
 */
const detachLockMs = 1_000;

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
    const answer = await rpc.call('begin_detach', args, beginDetachAnswer, { retry: once });
    if (answer.outcome === 'done') {
      tally.blocked = answer.blocked;
      return;
    }
    if (answer.outcome === 'lock') {
      await retireWithLocks(context, state, tally);
      return;
    }
    const timeoutMs = Math.min(detachMs, deadline.remainingMs() / 2);
    const failure = await direct
      ?.execute(answer.statement, { timeoutMs, lockTimeoutMs: detachLockMs })
      .catch(orStop);
    if (await finishDetach(context, answer.partition, tally)) continue;
    // Not to be had this way: then with locks, briefly. What waited in vain would have to wait for the same again.
    const waited =
      failure instanceof NightshiftError && [timedOut, notLocked].includes(failure.code);
    if (waited) tally.busy = true;
    else await retireWithLocks(context, state, tally);
    return;
  }
}

/** Returns whether the partition is out of its table, and written down as that. */
async function finishDetach(
  { rpc, run, deadline }: JobContext,
  partition: string,
  tally: Tally,
): Promise<boolean> {
  let finished = false;
  const left = await withLockRetries(deadline, [partition], async (_, lockTimeoutMs) => {
    const args = { ...leaseOf(run), partition, lock_timeout_ms: lockTimeoutMs };
    const answer = await rpc.call('finish_detach', args, finishDetachAnswer, { retry: once });
    finished = answer.outcome === 'retired';
    return new Map([[partition, answer.outcome === 'busy' ? 'busy' : 'done']]);
  });
  tally.busy ||= left.busy.length > 0;
  tally.outOfTime ||= left.waiting.length > 0;
  return finished;
}

/** What is past its grace period, and stays. */
export function noteKept(drops: PartitionPlan['drops'], tallies: Tallies): void {
  for (const { partition, table, keptBecause } of drops) {
    if (keptBecause !== null) tallies(table).kept.push({ partition, reason: keptBecause });
  }
}

/** For a dry run: what would not be retired, and why. */
export async function previewRetirement(
  { rpc, run }: JobContext,
  { table, due }: TableState,
  tally: Tally,
): Promise<void> {
  if (due.length === 0) return;
  const args = { ...leaseOf(run), table_name: table };
  try {
    tally.blocked = await rpc.call('preview_retirement', args, listOfReasons, { retry: once });
  } catch (thrown) {
    const error = orStop(thrown);
    // A run would fail for the same reason.
    if (error.code === 'NS422') tally.error ??= error;
    else tally.warnings.push(`Whether something needs its due partitions is not known: ${error.message}`);
  }
}

/** What an earlier run left half done; one that fails keeps the run from no other. */
export async function finishUnfinished(
  context: JobContext,
  partition: string,
  tally: Tally,
): Promise<void> {
  try {
    await finishDetach(context, partition, tally);
  } catch (thrown) {
    const error = orStop(thrown);
    tally.error ??= error;
    // Its table may have no policy, and so no step, any more.
    context.log.warn('A detach could not be finished', { partition, error: error.describe() });
  }
}

/** Drops the retired partitions whose grace period is over. */
export async function dropAll(
  { rpc, run, deadline }: JobContext,
  { drops }: PartitionPlan,
  tallies: Tallies,
): Promise<void> {
  const tableOf = new Map(drops.map(({ partition, table }) => [partition, table]));
  const tallyOf = (partition: string) => tallies(tableOf.get(partition) ?? partition);
  noteKept(drops, tallies);
  const groups = dropGroups(drops);
  for (let group = groups.shift(); group; group = groups.shift()) {
    try {
      const { busy, waiting } = await withLockRetries(deadline, group, async (partitions, ms) => {
        const args = { ...leaseOf(run), partitions, lock_timeout_ms: ms };
        const answers = await rpc.call('drop_retired_partitions', args, dropAnswers, {
          retry: once,
        });
        for (const answer of answers) {
          const { partition } = answer;
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
      // As for creation: what fails as a whole is tried one by one.
      if (group.length > 1) groups.push(...group.map((one) => [one]));
      else for (const partition of group) tallyOf(partition).error ??= error;
    }
  }
}
