import { expect, it } from 'vitest';
import type { JobContext, StepProgress } from '../../functions/_shared/job.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { shortBatchMs, usualBatchMs } from '../../functions/retention-purge/pace.ts';
import { purgeTable } from '../../functions/retention-purge/purge.ts';
import { noTotals, purgeProgress } from '../../functions/retention-purge/schema.ts';
import { endless } from '../support/deadline.ts';

const relation = 'app.items';
const policy = {
  relation,
  dropAfter: '30 days',
  markerColumn: 'deleted_at',
  flagColumn: null,
  maxFraction: 0.5,
};
const before = {
  dueRows: 1_000,
  dueRowsExact: true,
  totalRows: 1_500,
  totalRowsExact: true,
  oldestDueAt: null,
  overdueSeconds: null,
  warnings: [],
  keys: [],
};
const pressure = {
  sessionsAtWork: 1,
  sessionsWaiting: 0,
  preventsWraparound: false,
  replicaLagMs: 0,
  walShare: 0,
};

/** Two batches of an attempt that has 20 seconds, beside others at work, each of which takes so long for its row. */
async function twoBatches({
  earlier = {},
  rowMs = 1,
  assess = false,
}: {
  earlier?: object;
  rowMs?: number;
  assess?: boolean;
}) {
  const asked: number[] = [];
  const remarks: unknown[] = [];
  let nowMs = 0;
  let rowsPurged = 900;
  await purgeTable(
    {
      rpc: {
        call: async (_: string, { batch_ms }: { batch_ms: number }) => {
          asked.push(batch_ms);
          nowMs += rowMs;
          rowsPurged += 1;
          const refusal = asked.length > 1 ? 'enough' : null;
          const step = { ...noTotals, rowsPurged };
          return {
            step,
            done: false,
            refusal,
            bySlices: true,
            rowsReached: 0,
            pressure,
            durationMs: 1,
          };
        },
      },
      run: { id: '', fence: 1 },
      clock: { nowMs: () => nowMs },
      deadline: endless(20_000),
      metrics: noMetrics,
      onProgress: ({ remark }: StepProgress) => remarks.push(remark),
    } as unknown as JobContext,
    policy,
    { ...before, assess },
    { pace: 'gentle', besideOthers: true, rowsBehind: 0, earlier: purgeProgress.parse(earlier) },
  );
  return { secondBatchMs: asked[1], remarks };
}

const nineTenths = { [relation]: { rowsPurged: 900 } };

it('a run that was continued knows that little is left', async () => {
  expect(await twoBatches({ earlier: { steps: nineTenths } })).toMatchObject({
    secondBatchMs: shortBatchMs,
  });
});

it('a run that was continued while it asked the brake does not take what was done before for its own speed', async () => {
  const earlier = { assessments: nineTenths };
  expect(await twoBatches({ earlier, rowMs: 1_000, assess: true })).toMatchObject({
    secondBatchMs: usualBatchMs,
  });
});

it('while the brake is asked, the deletion is still ahead', async () => {
  const earlier = { assessments: nineTenths };
  expect(await twoBatches({ earlier, assess: true })).toMatchObject({
    secondBatchMs: usualBatchMs,
  });
});

it('whoever watches hears of pauses once there was one', async () => {
  expect((await twoBatches({})).remarks).toEqual([undefined, 'with pauses']);
});
