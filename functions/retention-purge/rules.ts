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

/** Why the brake leaves a table alone. */
export function braked(relation: string, refusal: string): NightshiftError {
  return new NightshiftError('NS428', refusal, {
    detail: 'It was left alone: no more of it goes in this run.',
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

/** The statement timeout of measure_retention_rest. */
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

export function explainMeasuring(error: NightshiftError, relation: string): NightshiftError {
  if (error.code !== timedOut) return error;
  return new NightshiftError(timedOut, `What is due in ${relation} could not be measured in time`, {
    hint: 'The server is busy, or very many tables refer to it. Nothing was deleted from it; the next run tries again.',
    cause: error,
  });
}

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
