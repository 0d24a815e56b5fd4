import { timeMs } from '../_shared/clock.ts';
import { NightshiftError, nothingDone, timedOut } from '../_shared/errors.ts';
import type { OutcomeStatus } from '../_shared/job.ts';
import {
  type Deeds,
  type DefaultPartition,
  noDeeds,
  type PartitionPlan,
  type PartitionReport,
  type PartitionStep,
  type TableState,
} from './schema.ts';

/** A safety brake refused. */
const brake = 'NS428';

/** What this attempt met with at one table; what it did is in the ledger. */
export interface Tally extends Pick<PartitionStep, 'blocked' | 'kept'> {
  /** Partitions were made, so one that was the newest may be due. */
  hasGrown: boolean;
  defaultPartition: DefaultPartition | null;
  warnings: string[];
  /** Why the rows of its default partition are not known. */
  uncounted?: NightshiftError | undefined;
  /** Another session held a lock to the end. */
  busy: boolean;
  outOfTime: boolean;
  error?: NightshiftError;
}

/** By table. */
export type Tallies = (table: string) => Tally;

export function emptyTally(): Tally {
  return {
    blocked: [],
    kept: [],
    hasGrown: false,
    defaultPartition: null,
    warnings: [],
    busy: false,
    outOfTime: false,
  };
}

export function needsPartitions(
  { missing, problem }: TableState,
  { defaultPartition }: Tally,
): boolean {
  return !problem && missing.length + (defaultPartition?.movableRows ?? 0) > 0;
}

/** Whether others notice the locks that its new partitions take. */
export function isFelt({ hasForeignKeys, defaultPartition }: TableState): boolean {
  return hasForeignKeys || defaultPartition !== null;
}

/** Whether there was anything to do for a table when the attempt began. */
export function hasWork({ missing, due }: TableState, { defaultPartition }: Tally): boolean {
  return missing.length + due.length + (defaultPartition?.movableRows ?? 0) > 0;
}

/** Which retired partitions are dropped in one transaction. */
export function dropGroups(drops: PartitionPlan['drops']): string[][] {
  const free = drops.filter(({ keptBecause }) => keptBecause === null);
  const together = free.filter((drop) => !drop.hasForeignKeys).map(({ partition }) => partition);
  const alone = free.filter((drop) => drop.hasForeignKeys).map(({ partition }) => [partition]);
  return together.length > 0 ? [together, ...alone] : alone;
}

/** Postgres refuses it beside a default partition; and with foreign keys, others would wait behind locks without a limit. */
export function detachesConcurrently(state: TableState): boolean {
  return state.defaultPartition === null && !state.hasForeignKeys;
}

/** About half a second of locks, on a small machine. */
export const firstMoveRows = 50_000;

/** How long a step that moves rows may keep everyone else waiting. */
const targetLockMs = 1_000;

/** The next step's rows from what the last one's took: at most twice as many. */
export function nextMoveRows(rows: number, lockedMs: number): number {
  const growth = Math.min(targetLockMs / Math.max(lockedMs, 1), 2);
  return Math.min(Math.max(Math.floor(rows * growth), 1_000), 1_000_000);
}

/** After a timeout; undefined when so few rows cannot be the reason. */
export function fewerMoveRows(rows: number): number | undefined {
  return rows > 1_000 ? Math.floor(rows / 4) : undefined;
}

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

/** Rows that nobody can count are not moved either, so the table is not done. */
export function uncounted(error: NightshiftError, state: TableState): NightshiftError {
  // Whose table it is says more than that it was not counted.
  if (error.code === 'NS422') return error;
  const message = `The rows of its default partition ${state.defaultPartition} could not be counted, so none were moved`;
  return new NightshiftError(error.code, message, { hint: byHand(state), cause: error });
}

function byHand({ table }: TableState): string {
  return `In a quiet hour, until it says done: set statement_timeout = 0; select nightshift.create_missing_partitions('${table.replaceAll("'", "''")}', max_rows => 10000000);`;
}

/** A step of a dry run: all that a run would do. */
export function stepOfPlan(
  state: TableState,
  { drops }: PartitionPlan,
  tally: Tally,
  { force }: { force: boolean },
): PartitionStep {
  const wanted =
    tally.defaultPartition?.wanted ?? state.missing.map((period) => ({ ...period, rows: 0 }));
  const { dueBefore } = state;
  const isPast = (to: string | null) =>
    dueBefore !== null && to !== null && timeMs(to) <= timeMs(dueBefore);
  const refusal = force ? null : state.refusal;
  const stays = new Set(tally.blocked.map(({ partition }) => partition));
  const step = stepOf(state, tally, noDeeds);
  return {
    ...step,
    created: wanted,
    retired: refusal
      ? []
      : [
          ...state.due
            .filter((partition) => !stays.has(partition))
            .map((partition) => ({ partition })),
          ...(state.dueAfterwards ? [{ partition: state.dueAfterwards }] : []),
          ...wanted
            .filter(({ to }) => isPast(to))
            .map(({ from }) => ({ partition: `one that is made for ${from}` })),
        ],
    dropped: drops
      .filter(({ table, keptBecause }) => table === state.table && keptBecause === null)
      .map(({ partition, sizeBytes }) => ({ partition, sizeBytes })),
    warnings: [
      ...step.warnings,
      ...(refusal ? [`A real run would retire none without force: ${refusal}.`] : []),
    ],
  };
}

/** The truth about one table: its state at the end, and what the run did. */
export function stepOf(state: TableState, tally: Tally, deeds: Deeds): PartitionStep {
  const { created, retired, dropped } = deeds;
  const { blocked, kept, defaultPartition, busy, outOfTime } = tally;
  const locked = new NightshiftError('55P03', 'Its locks were not to be had in time', {
    hint: 'A long transaction or a migration holds it. The next run tries again.',
  });
  const misfit = new NightshiftError('NS422', state.problem ?? '', {
    hint: state.fix,
  });
  const error = state.problem
    ? misfit
    : (tally.error ?? (busy ? locked : undefined) ?? tally.uncounted);
  const step = {
    table: state.table,
    created,
    retired,
    blocked,
    dropped,
    kept,
    horizon: state.horizon,
    horizonDays: state.horizonDays,
    missing: state.missing.length,
    defaultPartition: withoutWanted(defaultPartition),
    ...(error ? { error: error.describe() } : {}),
    warnings: [
      ...state.warnings,
      ...tally.warnings,
      ...created.flatMap(({ partition, warnings }) =>
        warnings.map((text) => `${partition}: ${text}`),
      ),
      ...warningsOf(defaultPartition),
    ],
  };
  const progressed = countOf(deeds) > 0;
  if (outOfTime) return { ...step, status: 'waiting' };
  if (error) return { ...step, status: progressed ? 'partial' : 'failed' };
  return { ...step, status: blocked.length > 0 || kept.length > 0 ? 'partial' : 'succeeded' };
}

/** How many partitions came or went. */
export function countOf({ created, retired, dropped }: Deeds): number {
  return created.length + retired.length + dropped.length;
}

function withoutWanted(measured: DefaultPartition | null) {
  if (!measured) return null;
  const { partition, rows, movableRows } = measured;
  return { partition, rows, movableRows };
}

function warningsOf(measured: DefaultPartition | null): string[] {
  const stay = (measured?.rows ?? 0) - (measured?.movableRows ?? 0);
  return measured && stay > 0
    ? [
        `Rows of ${measured.partition} that belong nowhere: ${stay}. They lie beyond the horizon (was a clock wrong?), too far back, in the time of a retired partition, or have no time. To see them: select * from ${measured.partition};`,
      ]
    : [];
}

/** `continued` after progress, or when the first attempt had too little time for anything; as for the refresh of views. */
export function runStatus(
  steps: readonly PartitionStep[],
  { progressed, attempt }: { progressed: boolean; attempt: number },
): OutcomeStatus {
  const waiting = steps.some(({ status }) => status === 'waiting');
  if (waiting && (progressed || attempt === 1)) return 'continued';
  if (steps.every(({ status }) => status === 'succeeded')) return 'succeeded';
  return steps.every(({ status }) => status === 'failed' || status === 'waiting')
    ? 'failed'
    : 'partial';
}

export function reportOf(
  steps: PartitionStep[],
  { dryRun, disabled }: { dryRun: boolean; disabled: string[] },
): PartitionReport {
  const sum = (pick: (step: PartitionStep) => number) =>
    steps.reduce((total, step) => total + pick(step), 0);
  return {
    dryRun,
    partitionsCreated: sum(({ created }) => created.length),
    partitionsRetired: sum(({ retired }) => retired.length),
    partitionsDropped: sum(({ dropped }) => dropped.length),
    rowsMoved: sum(({ created }) => created.reduce((total, { rows }) => total + rows, 0)),
    steps,
    disabled,
  };
}

export function nothingMaintained(steps: readonly PartitionStep[]): NightshiftError {
  const errors = steps.flatMap(({ error }) => error ?? []);
  const [first] = errors;
  const isBrake = errors.length === steps.length && errors.every(({ code }) => code === brake);
  if (first && isBrake) return new NightshiftError(brake, first.message, first);
  const subjects = steps.map(({ table, error }) => ({
    subject: table,
    why: 'there was no time for it',
    error,
  }));
  return nothingDone('No table could be maintained', subjects);
}
