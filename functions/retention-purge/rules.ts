import { type NightshiftError, worthRepeating } from '../_shared/errors.ts';
import { inOrder } from '../_shared/graph.ts';
import type { OutcomeStatus } from '../_shared/job.ts';
import type { Backlog, Policy, PurgeStep, PurgeTotals } from './schema.ts';

/** Small enough for any table, and ten steps of growth away from a large batch. */
export const firstBatchRows = 1_000;

/** A batch of a quarter second holds its locks too briefly for a user to notice. */
export const targetBatchMs = 250;

/** Keeps a batch's list of row addresses within three MB of the server's memory. */
const maxBatchRows = 500_000;

/**
 * The next batch size from the last one's duration: within 90 to 95% of the target nothing changes; otherwise it moves
 * towards 95%, downwards at once, upwards by at most a fifth; while far below the target it doubles or quadruples, which
 * even a cost that grows with the size leaves short of it.
 */
export function nextBatchRows(rows: number, durationMs: number): number {
  const efficiency = durationMs / targetBatchMs;
  if (efficiency >= 0.9 && efficiency <= 0.95) return rows;
  const growth = efficiency < 0.1 ? 4 : efficiency < 0.4 ? 2 : 1.2;
  return clampRows(rows * Math.min(0.95 / efficiency, growth));
}

/** After a timeout; undefined when even a single row takes too long. */
export function halveBatchRows(rows: number): number | undefined {
  return rows > 1 ? clampRows(rows / 2) : undefined;
}

function clampRows(rows: number): number {
  return Math.min(Math.max(Math.floor(rows), 1), maxBatchRows);
}

/** Referencing tables first, so that due parents lose their due children before their own turn. Cycles keep their order. */
export function orderPolicies(policies: readonly Policy[]): Policy[] {
  const byRelation = new Map(policies.map((policy) => [policy.relation, policy]));
  return inOrder(policies, ({ referencedBy }) =>
    referencedBy.flatMap((relation) => byRelation.get(relation) ?? []),
  );
}

/** The brake: a sentence when the policy would remove more of its table than it may. */
export function refusal(policy: Policy, { dueRows, totalRows }: Backlog): string | undefined {
  if (totalRows === 0 || dueRows <= policy.maxFraction * totalRows) return undefined;
  const percent = (share: number) => `${Math.round(share * 1000) / 10}%`;
  return `${policy.relation}: ${dueRows} of ${totalRows} rows are due (${percent(dueRows / totalRows)}), more than max_fraction allows (${percent(policy.maxFraction)})`;
}

/** Kept back to count what is left and to write the end of the run. */
const closingMs = 1_000;

/** The statement timeout of a count. */
const countMs = 2_000;

export function countFits(remainingMs: number): boolean {
  return remainingMs > countMs;
}

/** Whether the next batch, were it four times slower than the last or than it should be, would end before the deadline. */
export function batchFits(remainingMs: number, lastMs: number): boolean {
  return remainingMs > closingMs + 4 * Math.max(lastMs, targetBatchMs);
}

/** Whether to send a failed batch again as it was: not for long while its table is locked. */
export const repeatBatch = worthRepeating(3);

export interface PurgeOutcome {
  totals: PurgeTotals;
  dryRun: boolean;
  outOfTime: boolean;
  durationMs?: number;
  before?: Backlog;
  after?: Backlog | undefined;
  error?: NightshiftError;
}

/** The truth about one table, from what the ledger and the two counts say. */
export function summarize(policy: Policy, outcome: PurgeOutcome): PurgeStep {
  const { totals, dryRun, outOfTime, before, after, error } = outcome;
  const expectedLeft = Math.max((before?.dueRows ?? 0) - (dryRun ? 0 : totals.rowsPurged), 0);
  const rowsLeft = after?.dueRows ?? Math.max(expectedLeft, totals.rowsBlocked);
  const counted = after !== undefined || dryRun;
  const reason =
    error || dryRun ? undefined : reasonLeft(rowsLeft, totals.rowsBlocked, outOfTime, counted);
  const step = {
    relation: policy.relation,
    dueRows: before?.dueRows ?? 0,
    dueRowsExact: before?.dueRowsExact ?? false,
    rowsPurged: totals.rowsPurged,
    rowsBlocked: totals.rowsBlocked,
    blockedBy: totals.blockedBy,
    rowsLeft,
    rowsLeftExact: after?.dueRowsExact ?? (dryRun && (before?.dueRowsExact ?? false)),
    overdueSeconds: (after ?? before)?.overdueSeconds ?? null,
    batches: totals.batches,
    durationMs: Math.round(outcome.durationMs ?? 0),
    warnings: policy.warnings,
    ...(reason === undefined ? {} : { reason }),
    ...(error === undefined ? {} : { error: error.describe() }),
  };
  return { ...step, status: stepStatus(step, dryRun) };
}

function reasonLeft(
  rowsLeft: number,
  rowsBlocked: number,
  outOfTime: boolean,
  counted: boolean,
): string | undefined {
  if (outOfTime) return 'time ran out; the next run goes on from here';
  if (!counted) return 'what is left could not be counted in time';
  if (rowsLeft === 0) return undefined;
  const others = rowsLeft - rowsBlocked;
  const reasons = [
    ...(rowsBlocked > 0 ? [`${rowsBlocked} still needed by rows that stay`] : []),
    ...(others > 0 ? [`${others} locked or changed by other sessions meanwhile`] : []),
  ];
  return reasons.join('; ');
}

function stepStatus(step: Omit<PurgeStep, 'status'>, dryRun: boolean): PurgeStep['status'] {
  if (step.error) return 'failed';
  if (dryRun || (step.rowsLeft === 0 && !step.reason)) return 'succeeded';
  // Nothing done, and no foreign key to blame: that is no progress, whatever the cause.
  if (step.rowsPurged === 0 && step.rowsBlocked === 0) return 'failed';
  return 'partial';
}

/** `continued` only after progress: a run that achieves nothing must not call itself again. */
export function runStatus(
  steps: readonly PurgeStep[],
  outOfTime: boolean,
  progressed: boolean,
): OutcomeStatus {
  if (outOfTime && progressed) return 'continued';
  if (steps.every((step) => step.status === 'succeeded')) return 'succeeded';
  if (steps.every((step) => step.status === 'failed')) return 'failed';
  return 'partial';
}
