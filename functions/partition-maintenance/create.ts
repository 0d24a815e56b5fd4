import { NightshiftError, orStop, timedOut } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { countFits, type LockOutcome, once, withLockRetries } from './locks.ts';
import {
  explain,
  fewerMoveRows,
  firstMoveRows,
  isFelt,
  needsPartitions,
  nextMoveRows,
  type Tallies,
  uncounted,
} from './rules.ts';
import { createAnswers, defaultPartition, type TableState } from './schema.ts';

/** Counts the rows of each default partition, and what partitions a run makes for them. */
export async function measureDefaults(
  { rpc, run, deadline }: JobContext,
  tables: readonly TableState[],
  tallies: Tallies,
): Promise<void> {
  for (const state of tables) {
    const { table } = state;
    if (state.defaultPartition === null) continue;
    const tally = tallies(table);
    const isFirst = tally.defaultPartition === null && !tally.uncounted;
    tally.defaultPartition = null;
    if (!countFits(deadline.remainingMs())) {
      // Not counted at the end it is only unknown.
      tally.outOfTime ||= isFirst;
      continue;
    }
    tally.uncounted = undefined;
    const args = { ...leaseOf(run), table_name: table };
    try {
      tally.defaultPartition = await rpc.call('measure_default_partition', args, defaultPartition, {
        retry: once,
      });
    } catch (thrown) {
      tally.uncounted = uncounted(orStop(thrown), state);
    }
  }
}

/**
 * Makes what is missing, and moves what is in default partitions. Tables whose locks nobody feels share transactions; a
 * foreign key locks the table at its other end, and a default partition locks out everyone: those go one by one, in turns.
 */
export async function createAll(
  context: JobContext,
  tables: readonly TableState[],
  tallies: Tallies,
): Promise<void> {
  const due = tables.filter((state) => needsPartitions(state, tallies(state.table)));
  const together = due.filter((state) => !isFelt(state));
  const alone = due.filter(isFelt);
  const all = { context, states: new Map(due.map((state) => [state.table, state])), tallies };
  const settle = settler(context, due.length);
  try {
    await createTables(all, together, settle, (tables) => tables);
  } catch (thrown) {
    // What fails as a whole is tried one by one: one table must not stop the others.
    orStop(thrown);
    alone.unshift(...together);
  }
  await createTables(all, alone, settle, (tables) => tables.slice(0, 1));
}

function settler({ onProgress }: JobContext, total: number): (table: string) => void {
  const settled = new Set<string>();
  return (table) => {
    settled.add(table);
    onProgress({ subject: 'partitions', unit: 'tables', done: settled.size, total });
  };
}

interface All {
  context: JobContext;
  states: ReadonlyMap<string, TableState>;
  tallies: Tallies;
}

async function createTables(
  { context: { rpc, run, deadline }, states, tallies }: All,
  tables: readonly TableState[],
  settle: (table: string) => void,
  choose: (tables: string[]) => string[],
): Promise<void> {
  const maxRows = new Map(tables.map(({ table }) => [table, firstMoveRows]));
  const names = tables.map(({ table }) => table);
  const { busy, waiting } = await withLockRetries(deadline, names, async (rest, lockTimeoutMs) => {
    const chosen = choose(rest);
    const [first = ''] = chosen;
    const rows = maxRows.get(first) ?? firstMoveRows;
    const args = {
      ...leaseOf(run),
      tables: chosen,
      lock_timeout_ms: lockTimeoutMs,
      max_rows: rows,
    };
    const answers = await rpc
      .call('create_partitions', args, createAnswers, { retry: once })
      .catch((thrown: unknown) => {
        const error = orStop(thrown);
        const state = states.get(first);
        if (chosen.length > 1 || !state) throw error;
        const fewer = state.defaultPartition === null ? undefined : fewerMoveRows(rows);
        if (error.code === timedOut && fewer !== undefined) {
          maxRows.set(first, fewer);
          return [];
        }
        const { code, message, hint = '' } = explain(error, state);
        return [{ table: first, outcome: 'failed' as const, error: { code, message, hint } }];
      });
    const outcomes = new Map<string, LockOutcome>();
    for (const answer of answers) {
      const tally = tallies(answer.table);
      if (answer.outcome === 'made') {
        maxRows.set(answer.table, nextMoveRows(rows, answer.lockedMs));
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
  for (const table of busy) tallies(table).busy = true;
  for (const table of waiting) tallies(table).outOfTime = true;
}
