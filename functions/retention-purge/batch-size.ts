import { usualBatchMs } from './pace.ts';

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

/** What `purge_batch` lets go along with a batch of the usual size. */
const usualClosureRows = 32 * firstBatchRows;

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
  /**
   * How many rows more a batch may decide at once; undefined: as many as its size allows. A batch that is small because few rows
   * are due may take as many along as one of the usual size, as when a few large tenants are deleted; half of it once it timed out.
   */
  closureRows: number | undefined;

  constructor(rows: number) {
    this.rows = rows;
    this.closureRows = rows < firstBatchRows ? usualClosureRows : undefined;
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
    this.closureRows = this.closureRows && Math.ceil(this.closureRows / 2);
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
