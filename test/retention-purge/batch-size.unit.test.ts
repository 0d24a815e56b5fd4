import { describe, expect, it } from 'vitest';
import {
  BatchSize,
  firstBatchRows,
  halveBatchRows,
  nextBatchRows,
} from '../../functions/retention-purge/batch-size.ts';
import { usualBatchMs } from '../../functions/retention-purge/pace.ts';

describe('the batch size', () => {
  it('stays when the batch took 90 to 95% of the target', () => {
    expect(nextBatchRows(5_000, usualBatchMs * 0.92)).toBe(5_000);
  });

  it('quadruples or doubles while far below the target, then grows by at most a fifth', () => {
    expect(nextBatchRows(firstBatchRows, 1)).toBe(4_000);
    expect(nextBatchRows(firstBatchRows, usualBatchMs * 0.2)).toBe(2_000);
    expect(nextBatchRows(firstBatchRows, usualBatchMs * 0.5)).toBe(1_200);
  });

  it('shrinks in proportion after a slow one', () => {
    expect(nextBatchRows(10_000, usualBatchMs * 2)).toBe(4_750);
  });

  it('never leaves 1 to 500,000 rows', () => {
    expect(nextBatchRows(1, 60_000)).toBe(1);
    expect(nextBatchRows(500_000, 1)).toBe(500_000);
  });

  it('settles on the target within thirty batches when time is proportional to rows', () => {
    let rows = firstBatchRows;
    for (let batch = 0; batch < 30; batch++) rows = nextBatchRows(rows, rows / 80);
    expect(rows / 80).toBeGreaterThan(usualBatchMs * 0.85);
    expect(rows / 80).toBeLessThan(usualBatchMs * 1.05);
  });

  it('lets as much go along where few rows are due as where many are, and less only once that timed out', () => {
    const few = new BatchSize(6);
    expect(few.closureRows).toBe(32_000);
    few.adapt(2_000);
    expect(few.rows).toBeLessThan(6);
    expect(few.closureRows).toBe(32_000);
    few.halve();
    expect(few.closureRows).toBe(16_000);
    expect(new BatchSize(firstBatchRows).closureRows).toBeUndefined();
  });

  /** What a batch would take by a formula, after so many of them, as the median of the last nine. Nothing runs, and no clock is read. */
  function settledMs(msOf: (rows: number, batch: number) => number, batches = 40): number {
    const size = new BatchSize(firstBatchRows);
    const took = Array.from({ length: batches }, (_, batch) => {
      const ms = msOf(size.rows, batch);
      size.adapt(ms);
      return msOf(size.rows, batches);
    });
    return took.slice(-9).toSorted((a, b) => a - b)[4] ?? 0;
  }

  it('is as good when it looks for what a batch takes whatever its size', () => {
    const ms = settledMs((rows) => rows / 80);
    expect(ms).toBeGreaterThan(usualBatchMs * 0.85);
    expect(ms).toBeLessThan(usualBatchMs * 1.05);
  });

  it('does not shrink for what a batch takes whatever its size', () => {
    const ms = settledMs((rows) => 300 + rows);
    expect(ms).toBeGreaterThan(550);
    expect(ms).toBeLessThan(620);
  });

  it('lets the rows take half a second at most beside it', () => {
    const ms = settledMs((rows) => 2_000 + rows / 10);
    expect(ms).toBeGreaterThan(2_400);
    expect(ms).toBeLessThan(2_550);
  });

  it.each([
    ['all', (rows: number, batch: number) => (batch < 4 ? 400 : 0) + rows / 80],
    ['one', (rows: number, batch: number) => (batch === 2 ? 5_000 : 0) + rows / 80],
  ])('forgets a moment in which %s took longer', (_, msOf) => {
    const ms = settledMs(msOf);
    expect(ms).toBeGreaterThan(usualBatchMs * 0.7);
    expect(ms).toBeLessThan(usualBatchMs * 1.1);
  });

  it('takes a batch that was quicker than all before for no reason to shrink', () => {
    expect(nextBatchRows(1_000, 50, 300)).toBe(4_000);
    const ms = settledMs((rows, batch) => (batch % 5 === 4 ? 50 : 300 + rows), 40);
    expect(ms).toBeGreaterThan(350);
  });

  it('shrinks after one that took long though it was smaller, for a reason of its own', () => {
    const size = new BatchSize(1_000);
    size.adapt(400);
    expect(size.rows).toBeLessThan(500);
    const { rows } = size;
    size.adapt(2_000);
    expect(size.rows).toBeLessThan(rows);
  });

  it('grows again after a single row took long once, where a batch takes long whatever its size', () => {
    const ms = settledMs((rows, batch) => (batch < 9 ? 100 * rows : 300 + rows), 80);
    expect(ms).toBeGreaterThan(500);
  });

  it('halves on a timeout, down to one row and no further', () => {
    expect(halveBatchRows(1_000)).toBe(500);
    expect(halveBatchRows(1)).toBeUndefined();
  });
});
