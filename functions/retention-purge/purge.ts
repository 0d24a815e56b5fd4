import { NightshiftError, rethrowIfFatal, timedOut } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import type { TableResults } from './report.ts';
import {
  batchFits,
  countFits,
  explain,
  firstBatchRows,
  halveBatchRows,
  nextBatchRows,
  repeatBatch,
} from './rules.ts';
import { type Backlog, backlog, type Policy, purgedBatch } from './schema.ts';

/** What this attempt did with one table. The totals of the run are in the ledger. */
export type Purged = Omit<TableResults, 'totals' | 'after'> & { policy: Policy };

export function measureBefore(
  context: JobContext,
  policy: Policy,
): Promise<Backlog | NightshiftError> {
  return measure(context, policy, false);
}

/** Undefined when the backlog cannot be counted; the report then estimates it. */
export async function measureAfter(
  context: JobContext,
  { policy, before, outOfTime }: Purged,
): Promise<Backlog | undefined> {
  const { run, deadline } = context;
  if (!before || run.dryRun || outOfTime || !countFits(deadline.remainingMs())) return undefined;
  const after = await measure(context, policy, true);
  return after instanceof NightshiftError ? undefined : after;
}

async function measure(
  { rpc, run }: JobContext,
  { relation }: Policy,
  again: boolean,
): Promise<Backlog | NightshiftError> {
  const args = { ...leaseOf(run), relation, again };
  return rpc
    .call('measure_retention_backlog', args, backlog, { retry: repeatBatch })
    .catch(rethrowIfFatal);
}

/** Deletes in batches until no due row can go, or the deadline is near. In a dry run the batches only count. */
export async function purgeTable(
  { rpc, run, clock, deadline, metrics, onProgress }: JobContext,
  policy: Policy,
  before: Backlog,
): Promise<Purged> {
  const { relation } = policy;
  const startedMs = clock.nowMs();
  const purged = (end: { outOfTime: boolean; error?: NightshiftError }): Purged => ({
    policy,
    before,
    durationMs: clock.nowMs() - startedMs,
    ...end,
  });
  let rows = Math.min(firstBatchRows, Math.max(before.dueRows, 1));
  let lastMs = 0;
  while (batchFits(deadline.remainingMs(), lastMs)) {
    const args = { ...leaseOf(run), relation, batch_rows: rows };
    try {
      const batch = await rpc.call('purge_batch', args, purgedBatch, { retry: repeatBatch });
      lastMs = batch.durationMs;
      metrics.add('BatchDurationMs', batch.durationMs);
      onProgress({
        subject: relation,
        unit: 'rows',
        done: batch.step.rowsPurged + batch.step.rowsBlocked,
        total: before.dueRows,
      });
      if (batch.done) return purged({ outOfTime: false });
      rows = nextBatchRows(rows, batch.durationMs);
    } catch (thrown) {
      const error = rethrowIfFatal(thrown);
      const fewer: number | undefined = error.code === timedOut ? halveBatchRows(rows) : undefined;
      if (fewer === undefined) return purged({ outOfTime: false, error: explain(error, policy) });
      rows = fewer;
    }
  }
  return purged({ outOfTime: true });
}
