import { expect, it } from 'vitest';
import type { JobContext } from '../../functions/_shared/job.ts';
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

/** How long the second batch may take in an attempt that has 20 seconds, beside others at work, when the first took so long. */
async function secondBatchMs(progress: object, rowMs: number, assess: boolean): Promise<number> {
  const asked: number[] = [];
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
      onProgress: () => {},
    } as unknown as JobContext,
    policy,
    { ...before, assess },
    { pace: 'gentle', besideOthers: true, rowsBehind: 0, earlier: purgeProgress.parse(progress) },
  );
  return asked[1] ?? 0;
}

const nineTenths = { [relation]: { rowsPurged: 900 } };

it('a run that was continued knows that little is left', async () => {
  expect(await secondBatchMs({ steps: nineTenths }, 1, false)).toBe(shortBatchMs);
});

it('a run that was continued while it asked the brake does not take what was done before for its own speed', async () => {
  expect(await secondBatchMs({ assessments: nineTenths }, 1_000, true)).toBe(usualBatchMs);
});

it('while the brake is asked, the deletion is still ahead', async () => {
  expect(await secondBatchMs({ assessments: nineTenths }, 1, true)).toBe(usualBatchMs);
});
