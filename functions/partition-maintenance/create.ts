import { NightshiftError, rethrowIfFatal, timedOut } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { type LockOutcome, lockedBy, once, withLockRetries } from './locks.ts';
import type { Creation, Measurement } from './results.ts';
import { withRoomAhead } from './room-ahead.ts';
import {
  explain,
  fewerMoveRows,
  firstMoveRows,
  needsPartitions,
  nextMoveRows,
  takesBlockingLocks,
  targetLockMs,
  tooLargeToScan,
} from './rules.ts';
import { createAnswers, type TableState } from './schema.ts';

/**
 * Creates the missing partitions, and moves rows out of default partitions. Tables whose locks block nobody share
 * transactions. A foreign key also locks the table at its other end, and a default partition locks everyone out: such
 * tables take turns, one to a transaction.
 */
export async function createPartitions(
  context: JobContext,
  tables: readonly TableState[],
  measured: ReadonlyMap<string, Measurement> = new Map(),
): Promise<Map<string, Creation>> {
  const due = tables.filter((state) => needsPartitions(state, measured.get(state.table)));
  const together = due.filter((state) => !takesBlockingLocks(state));
  const alone = due.filter(takesBlockingLocks);

  const created = new Map<string, Creation>();
  const record = (table: string, found: Partial<Creation>) => {
    const before = created.get(table) ?? { hasGrown: false, busy: false, outOfTime: false };
    created.set(table, { ...before, ...found });
  };
  const settled = new Set<string>();
  const settle = (table: string) => {
    settled.add(table);
    const done = settled.size;
    context.onProgress({ subject: 'partitions', unit: 'tables', done, total: due.length });
  };

  try {
    await createTables(context, together, { choose: (names) => names, record, settle });
  } catch (thrown) {
    // One table must not stop the others, so a shared transaction that fails is repeated table by table.
    rethrowIfFatal(thrown);
    alone.unshift(...together);
  }
  const oneByOne = { choose: (names: string[]) => names.slice(0, 1), record, settle };
  const createAhead = (table: string) =>
    withRoomAhead(context, table, () => {
      const state = alone.filter((candidate) => candidate.table === table);
      return createTables(context, state, oneByOne);
    });
  await createTables(context, alone, { ...oneByOne, createAhead });
  return created;
}

interface Ways {
  /** Which of the tables share the next transaction. */
  choose: (names: string[]) => string[];
  record: (table: string, found: Partial<Creation>) => void;
  settle: (table: string) => void;
  /** What to try where the default partition is too large; returns whether it has recorded how that ended. */
  createAhead?: (table: string) => Promise<boolean>;
}

async function createTables(
  context: JobContext,
  tables: readonly TableState[],
  { choose, record, settle, createAhead }: Ways,
): Promise<void> {
  const { rpc, run, deadline } = context;
  const states = new Map(tables.map((state) => [state.table, state]));
  const maxRows = new Map<string, number>();
  const work = async (rest: string[], lockTimeoutMs: number) => {
    const chosen = choose(rest);
    const [first = ''] = chosen;
    const rows = maxRows.get(first) ?? firstMoveRows;
    const args = {
      ...leaseOf(run),
      tables: chosen,
      lock_timeout_ms: lockTimeoutMs,
      max_rows: rows,
      max_lock_ms: targetLockMs,
    };
    const answers = await rpc
      .call('create_partitions', args, createAnswers, { retry: once })
      .catch((thrown: unknown) => {
        const error = rethrowIfFatal(thrown);
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
      const { table } = answer;
      if (answer.outcome === 'made') {
        maxRows.set(table, nextMoveRows(rows, answer.lockedMs));
        record(table, { holder: null, ...(answer.created.length > 0 ? { hasGrown: true } : {}) });
      }
      if (answer.outcome === 'failed') {
        const { code, message, hint } = answer.error;
        const isMade = code === tooLargeToScan && (await createAhead?.(table));
        if (!isMade) record(table, { error: new NightshiftError(code, message, { hint }) });
      }
      if (answer.outcome === 'busy') record(table, { holder: answer.holder });
      const more = answer.outcome === 'made' && !answer.done;
      outcomes.set(table, answer.outcome === 'busy' ? lockedBy(answer) : more ? 'more' : 'done');
      if (outcomes.get(table) === 'done') settle(table);
    }
    return outcomes;
  };
  const { busy, waiting } = await withLockRetries(deadline, [...states.keys()], work);
  for (const table of busy) record(table, { busy: true });
  for (const table of waiting) record(table, { outOfTime: true });
}
