import { describe, expect, it } from 'vitest';
import type { JobContext } from '../../functions/_shared/job.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { shortBatchMs, usualBatchMs } from '../../functions/retention-purge/pace.ts';
import { purgeTable } from '../../functions/retention-purge/purge.ts';
import {
  type MeasuredTable,
  noTotals,
  type Policy,
  type PurgedBatch,
} from '../../functions/retention-purge/schema.ts';
import { endless } from '../support/deadline.ts';

const policy: Policy = {
  relation: 'app.items',
  dropAfter: '30 days',
  markerColumn: 'deleted_at',
  flagColumn: null,
  maxFraction: 0.5,
};
const measured: MeasuredTable = {
  dueRows: 101,
  dueRowsExact: true,
  totalRows: 1_000,
  totalRowsExact: true,
  oldestDueAt: null,
  overdueSeconds: null,
  assess: false,
  warnings: [],
  keys: [],
};

const batch = (rowsPurged: number, done = false): PurgedBatch => ({
  step: { ...noTotals, rowsPurged },
  done,
  refusal: null,
  bySlices: true,
  rowsReached: 0,
  pressure: {
    sessionsAtWork: 1,
    sessionsWaiting: 0,
    preventsWraparound: false,
    replicaLagMs: 0,
    walShare: 0,
  },
  durationMs: 1,
});

/** How long the batches that delete were asked to be, when each takes 1 ms and there are 4.8 s for the rest. */
async function askedOf(
  batches: readonly PurgedBatch[],
  {
    before = {},
    rowsDoneBefore = 0,
    dueRowsBehind = 0,
  }: { before?: Partial<MeasuredTable>; rowsDoneBefore?: number; dueRowsBehind?: number } = {},
): Promise<unknown[]> {
  const asked: unknown[] = [];
  const answers = [...batches];
  const call = async (_: string, args: { assess: boolean; batch_ms: number }) => {
    if (!args.assess) asked.push(args.batch_ms);
    return answers.shift();
  };
  let nowMs = 0;
  const steps = { [policy.relation]: { ...noTotals, rowsPurged: rowsDoneBefore } };
  const context = {
    rpc: { call },
    run: { id: 'r', fence: 7, progress: { steps } },
    clock: { nowMs: () => nowMs++ },
    deadline: endless(1_800 + 4_800),
    metrics: noMetrics,
    onProgress: () => {},
  } as unknown as JobContext;
  await purgeTable(context, policy, { ...measured, ...before }, 'gentle', dueRowsBehind);
  expect(answers).toEqual([]);
  return asked;
}

describe('beside others at work, batches', () => {
  it('are short while half of the time is enough for the rows that are left', async () => {
    expect(await askedOf([batch(1), batch(2, true)])).toEqual([shortBatchMs, shortBatchMs]);
  });

  it('are as long as usual where it is not, for rows of this table or of those behind it', async () => {
    const usual = [shortBatchMs, usualBatchMs];
    expect(await askedOf([batch(1), batch(2, true)], { before: { dueRows: 102 } })).toEqual(usual);
    expect(await askedOf([batch(1), batch(2, true)], { dueRowsBehind: 1 })).toEqual(usual);
  });

  it('are not longer for rows that an earlier attempt of the run has deleted', async () => {
    expect(
      await askedOf([batch(51), batch(52, true)], { before: { dueRows: 151 }, rowsDoneBefore: 50 }),
    ).toEqual([shortBatchMs, shortBatchMs]);
  });

  it('are not longer for the time that it took to ask the brake', async () => {
    const assessments = [batch(1), batch(2), batch(3, true)];
    expect(
      await askedOf([...assessments, batch(1), batch(2, true)], { before: { assess: true } }),
    ).toEqual([shortBatchMs, shortBatchMs]);
  });
});
