import { NightshiftError, orStop, timedOut } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { type LockOutcome, once, withLockRetries } from './locks.ts';
import {
  creationGroups,
  explain,
  fewerMoveRows,
  firstMoveRows,
  nextMoveRows,
  type Tallies,
} from './rules.ts';
import { createAnswers, defaultPartition, type PartitionPlan } from './schema.ts';

/** Counts the rows of each default partition, and what partitions a run makes for them. */
export async function measureDefaults(
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

/** Makes what is missing, and moves what is in default partitions. */
export async function createAll(
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
        tally.hasGrown ||= answer.created.length > 0;
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
