import { NightshiftError, timedOut } from '../_shared/errors.ts';
import type { OutcomeStatus } from '../_shared/job.ts';
import type { DropResult, Measurement, TableResults } from './results.ts';
import type { PartitionStep, PlannedDrop, TableProgress, TableState } from './schema.ts';

export function needsPartitions(
  { missing, problem }: TableState,
  measured: Measurement | undefined,
): boolean {
  return !problem && missing.length + movableRows(measured) > 0;
}

/** Whether other sessions have to wait for the locks that new partitions of this table take. */
export function takesBlockingLocks({ hasForeignKeys, defaultPartition }: TableState): boolean {
  return hasForeignKeys || defaultPartition !== null;
}

/** New partitions may make the former newest one due. A table that is still locked is left to the next run. */
export function retiresNow(
  { retention, due }: TableState,
  { finished, created }: TableResults,
): boolean {
  if (finished?.busy || created?.busy) return false;
  return due.length > 0 || (retention !== null && created?.hasGrown === true);
}

/** Whether there was anything to do for a table when the attempt began. */
export function hasWork(
  { missing, due }: TableState,
  { measured }: Pick<TableResults, 'measured'>,
): boolean {
  return missing.length + due.length + movableRows(measured) > 0;
}

function movableRows(measured: Measurement | undefined): number {
  return measured?.outcome === 'counted' ? (measured.defaultPartition?.movableRows ?? 0) : 0;
}

/** Groups the retired partitions that are dropped in one transaction. */
export function dropGroups(drops: readonly PlannedDrop[]): string[][] {
  const free = drops.filter(({ keptBecause }) => keptBecause === null);
  const together = free.filter((drop) => !drop.hasForeignKeys).map(({ partition }) => partition);
  const alone = free.filter((drop) => drop.hasForeignKeys).map(({ partition }) => [partition]);
  return together.length > 0 ? [together, ...alone] : alone;
}

export function keptByPlan(drops: readonly PlannedDrop[]): DropResult[] {
  return drops.flatMap(({ partition, table, keptBecause }) =>
    keptBecause === null ? [] : { partition, table, outcome: 'kept', reason: keptBecause },
  );
}

/** Postgres refuses it for a table with a default partition. With foreign keys, its locks would block others without limit. */
export function detachesConcurrently(state: TableState): boolean {
  return state.defaultPartition === null && !state.hasForeignKeys;
}

/** Takes about half a second of locks on a small machine. */
export const firstMoveRows = 50_000;

/** How long one step may keep everyone else waiting. */
export const targetLockMs = 1_000;

/** Adapts the number of rows to the time of the last move, and at most doubles it. */
export function nextMoveRows(rows: number, lockedMs: number): number {
  const growth = Math.min(targetLockMs / Math.max(lockedMs, 1), 2);
  return Math.min(Math.max(Math.floor(rows * growth), 1_000), 1_000_000);
}

/** The number of rows after a timeout, in which everyone waited for nothing: once far fewer, and then no more. */
export function fewerMoveRows(rows: number): number | undefined {
  return rows > 5_000 ? 5_000 : undefined;
}

/** The default partition would have to be read for too long while everyone waits. */
export const tooLargeToScan = 'NS423';

export function explain(error: NightshiftError, state: TableState): NightshiftError {
  if (error.code !== timedOut) return error;
  return new NightshiftError(
    timedOut,
    state.defaultPartition
      ? `Its default partition ${state.defaultPartition} is too large to be emptied while others wait`
      : 'Its partitions could not be changed within the time limit of a statement',
    {
      hint: state.defaultPartition
        ? byHand(state)
        : 'Look for a busy database, or for foreign keys without an index.',
      cause: error,
    },
  );
}

/** Rows that cannot be counted are not moved, so the table is not done. */
export function uncounted(error: NightshiftError, state: TableState): NightshiftError {
  // Whose table it is says more than that it was not counted.
  if (error.code === 'NS422') return error;
  const message = `The rows of its default partition ${state.defaultPartition} could not be counted, so none were moved`;
  return new NightshiftError(error.code, message, { hint: byHand(state), cause: error });
}

function byHand({ table }: TableState): string {
  return `In a quiet hour, until it says done: set statement_timeout = 0; select nightshift.create_missing_partitions('${table.replaceAll("'", "''")}', max_rows => 10000000, max_lock => '1 hour');`;
}

/** The number of partitions that were created, retired or dropped. */
export function countOf({ created, retired, dropped }: TableProgress): number {
  return created.length + retired.length + dropped.length;
}

/** Whether this attempt did anything. */
export function hasProgressed(
  earlier: Record<string, TableProgress>,
  now: Record<string, TableProgress>,
): boolean {
  const total = (tables: Record<string, TableProgress>) =>
    Object.values(tables).reduce((sum, table) => sum + countOf(table), 0);
  return total(now) > total(earlier);
}

/**
 * A run out of time continues after progress, or when the first attempt had too little time for anything, since the next
 * may have more. A run that achieves nothing must not call itself again and again. One that was told to stop is continued
 * by nobody, and what waits in it did not fail.
 */
export function runStatus(
  steps: readonly PartitionStep[],
  { progressed, attempt, stopped }: { progressed: boolean; attempt: number; stopped: boolean },
): OutcomeStatus {
  const waiting = steps.some(({ status }) => status === 'waiting');
  if (waiting && (progressed || attempt === 1 || stopped)) return 'continued';
  if (steps.every(({ status }) => status === 'succeeded')) return 'succeeded';
  return steps.every(({ status }) => status === 'failed' || status === 'waiting')
    ? 'failed'
    : 'partial';
}
