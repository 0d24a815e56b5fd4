import { type NightshiftError, nothingDone } from '../_shared/errors.ts';
import type { Metrics } from '../_shared/metrics.ts';
import {
  type Backlog,
  noTotals,
  type Policy,
  type PurgeInput,
  type PurgeReport,
  type PurgeStep,
  type PurgeTotals,
} from './schema.ts';

/** The results of a run for one table. */
export interface TableResults {
  /** From the ledger, over all attempts of the run. */
  totals: PurgeTotals;
  /** The backlog before the purge; absent when it could not be counted. */
  before?: Backlog;
  /** The backlog after the purge; absent in a dry run, and when it could not be counted. */
  after?: Backlog | undefined;
  outOfTime: boolean;
  durationMs?: number;
  error?: NightshiftError;
}

/** Reports one table, from the ledger and the counts before and after. */
export function stepOf(
  policy: Policy,
  results: TableResults,
  { dryRun }: Pick<PurgeInput, 'dryRun'>,
): PurgeStep {
  const { totals, outOfTime, before, after, error } = results;
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
    durationMs: Math.round(results.durationMs ?? 0),
    warnings: policy.warnings,
    ...(reason === undefined ? {} : { reason }),
    ...(error === undefined ? {} : { error: error.describe() }),
  };
  return { ...step, status: statusOf(step, dryRun) };
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

function statusOf(step: Omit<PurgeStep, 'status'>, dryRun: boolean): PurgeStep['status'] {
  if (step.error) return 'failed';
  if (dryRun || (step.rowsLeft === 0 && !step.reason)) return 'succeeded';
  // Rows are left, none went, and no foreign key holds them. Whatever the cause, that is no progress.
  if (step.rowsPurged === 0 && step.rowsBlocked === 0) return 'failed';
  return 'partial';
}

export function reportOf(
  steps: PurgeStep[],
  { dryRun, disabled, refusals }: Pick<PurgeReport, 'dryRun' | 'disabled' | 'refusals'>,
): PurgeReport {
  const sum = (pick: (step: PurgeStep) => number) =>
    steps.reduce((total, step) => total + pick(step), 0);
  return {
    dryRun,
    rowsPurged: sum((step) => step.rowsPurged),
    rowsBlocked: sum((step) => step.rowsBlocked),
    rowsLeft: sum((step) => step.rowsLeft),
    steps,
    disabled,
    refusals: dryRun ? refusals : [],
  };
}

/** Why the run failed as a whole. */
export function nothingPurged(steps: readonly PurgeStep[]): NightshiftError {
  const subjects = steps.map(({ relation, reason, error }) => ({
    subject: relation,
    why: reason ?? 'nothing was done',
    error,
  }));
  return nothingDone('No table could be purged', subjects);
}

/** The metrics count what this attempt did; the report has the totals of the run. */
export function countMetrics(
  metrics: Metrics,
  { steps, rowsLeft }: PurgeReport,
  {
    earlier,
    allMeasured,
    only,
  }: {
    /** What earlier attempts of the run did. */
    earlier: Record<string, PurgeTotals>;
    /** Whether the backlog of every table was counted. */
    allMeasured: boolean;
    only: PurgeInput['only'];
  },
): void {
  const added = (count: 'rowsPurged' | 'rowsBlocked') =>
    steps.reduce((sum, step) => sum + step[count] - (earlier[step.relation] ?? noTotals)[count], 0);
  metrics.add('RowsPurged', added('rowsPurged'));
  metrics.add('RowsBlocked', added('rowsBlocked'));
  // A table that was not counted makes the backlog unknown, and no figure is better than one that is too low.
  if (!only && allMeasured) {
    const ages = steps.map((step) => step.overdueSeconds ?? 0);
    metrics.add('BacklogRows', rowsLeft);
    metrics.add('BacklogAgeSeconds', Math.max(0, ...ages));
  }
  metrics.describe('relations', steps.map((step) => step.relation).join(', '));
}
