import { NightshiftError, retryPolicy, timedOut } from '../_shared/errors.ts';
import { callOf } from '../_shared/fix.ts';
import type { OutcomeStatus } from '../_shared/job.ts';
import { usualBatchMs } from './pace.ts';
import {
  type Backlog,
  type MeasuredTable,
  noTotals,
  type Policy,
  type PurgeStep,
  type PurgeTotals,
} from './schema.ts';

/** Small enough for any table; ten batches later it can be large. */
export const firstBatchRows = 1_000;

/** Keeps the row addresses of a batch within 3 MB of the server's memory. */
const maxBatchRows = 500_000;

/** Where a batch takes long whatever its size, so long may its rows take besides. */
const longestRowsMs = 500;

/**
 * Adapts the batch size to the duration of the last batch. Between 90 and 95% of the target it stays. Otherwise it moves
 * towards 95%: downwards at once, upwards by at most a fifth. Far below the target it doubles or quadruples, which does
 * not overshoot even if the cost grows faster than the size. What a batch takes whatever its size, as where many tables refer
 * to its rows, is no reason for fewer: they may take as long again.
 */
export function nextBatchRows(rows: number, durationMs: number, fixedMs = 0): number {
  const targetMs = Math.max(usualBatchMs - fixedMs, Math.min(fixedMs, longestRowsMs));
  const efficiency = Math.max(durationMs - fixedMs, 0) / targetMs;
  if (efficiency >= 0.9 && efficiency <= 0.95) return rows;
  const growth = efficiency < 0.1 ? 4 : efficiency < 0.4 ? 2 : 1.2;
  return clampRows(rows * Math.min(0.95 / efficiency, growth));
}

interface BatchSeen {
  rows: number;
  ms: number;
}

/** So much must two batches differ in size to tell what they take whatever it is. */
const tellingDifference = 0.25;
/** Where they do not differ by themselves, one of so many is of another size. */
const batchesToLearn = 8;

/** How many rows each batch of one walk takes. */
export class BatchSize {
  rows: number;
  #seen: BatchSeen | undefined;
  #fixedMs = 0;
  #sinceLearned = 0;

  constructor(rows: number) {
    this.rows = rows;
  }

  adapt(durationMs: number): void {
    const learned = this.#learn({ rows: this.rows, ms: durationMs });
    this.rows = nextBatchRows(this.rows, durationMs, this.#fixedMs);
    this.#sinceLearned = learned ? 0 : this.#sinceLearned + 1;
    // One that took long for a reason of its own must not decide for good.
    if (this.#sinceLearned >= batchesToLearn) this.rows = otherSize(this.rows);
  }

  /** False when even a single row takes too long. */
  halve(): boolean {
    const rows = halveBatchRows(this.rows);
    this.rows = rows ?? this.rows;
    return rows !== undefined;
  }

  #learn(batch: BatchSeen): boolean {
    const before = this.#seen;
    const difference = before ? Math.abs(batch.rows - before.rows) : 0;
    this.#fixedMs = Math.min(this.#fixedMs, batch.ms);
    if (before && difference < tellingDifference * Math.max(batch.rows, before.rows)) return false;
    this.#seen = batch;
    if (before) {
      const rowMs = Math.max((batch.ms - before.ms) / (batch.rows - before.rows), 0);
      this.#fixedMs = Math.min(Math.max(batch.ms - rowMs * batch.rows, 0), before.ms);
    }
    return true;
  }
}

function otherSize(rows: number): number {
  return clampRows(rows < 4 ? 4 * rows : rows * (1 - 1.2 * tellingDifference));
}

/** The batch size after a timeout; undefined when even a single row takes too long. */
export function halveBatchRows(rows: number): number | undefined {
  return rows > 1 ? clampRows(rows / 2) : undefined;
}

function clampRows(rows: number): number {
  return Math.min(Math.max(Math.floor(rows), 1), maxBatchRows);
}

/** Why the brake leaves a table alone. */
export function braked(relation: string, refusal: string): NightshiftError {
  return new NightshiftError('NS428', refusal, {
    detail: 'It was left alone; the other tables had their turn.',
    hint: `If it is meant: ${callOf('retention-purge', { force: [relation] })}, or raise max_fraction with nightshift.alter_retention_policy; for a first purge also with first_purge.`,
  });
}

/** Most tables, on most nights: there is no need to look again. An estimate of none is no count. */
export function nothingDue({ dueRows, dueRowsExact }: Backlog): boolean {
  return dueRows === 0 && dueRowsExact;
}

/** How far a walk has come: every due row that it has met goes, or stays for a reason. */
export function rowsDecided(totals: PurgeTotals): number {
  return (
    totals.rowsPurged +
    totals.rowsBlocked +
    totals.rowsKept +
    totals.rowsRefused +
    totals.rowsUndecided
  );
}

/** How much of a table is still ahead of a run that may have been continued. */
export function rowsAhead({ dueRows }: Backlog, totals: PurgeTotals = noTotals): number {
  return Math.max(dueRows - rowsDecided(totals), 0);
}

/** Reserved to count what is left and to record the end of the run. */
const closingMs = 1_000;

/** The statement timeout of measure_retention_backlog. */
const countMs = 2_000;

export function countFits(remainingMs: number): boolean {
  return remainingMs > countMs;
}

/** How much time is left beside one more batch, even if that took four times as long as the last one, or as it should. */
export function spareMs(remainingMs: number, lastMs: number): number {
  return remainingMs - closingMs - 4 * Math.max(lastMs, usualBatchMs);
}

/** So many are asked again, one by one, when one of them cannot be measured. */
export const measuredTogether = 25;

/** A lock timeout is retried twice; then the table counts as locked. */
export const repeatBatch = retryPolicy(3);

export function explain(
  error: NightshiftError,
  policy: Policy,
  { warnings }: Pick<MeasuredTable, 'warnings'>,
): NightshiftError {
  if (error.code !== timedOut) return error;
  return new NightshiftError(
    timedOut,
    `Deleting a single row of ${policy.relation} takes longer than the statement timeout`,
    {
      hint:
        warnings[0] ??
        'Look for slow triggers on the table, and for tables that refer to it without an index.',
      cause: error,
    },
  );
}

/** A run out of time continues only after progress: one that achieves nothing must not call itself again. */
export function runStatus(
  steps: readonly PurgeStep[],
  { outOfTime, progressed }: { outOfTime: boolean; progressed: boolean },
): OutcomeStatus {
  if (outOfTime && progressed) return 'continued';
  if (steps.every((step) => step.status === 'succeeded')) return 'succeeded';
  if (steps.every((step) => step.status === 'failed')) return 'failed';
  return 'partial';
}
