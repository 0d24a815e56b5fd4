import { NightshiftError, nothingDone } from '../_shared/errors.ts';
import { count } from '../_shared/figures.ts';
import type { Metrics } from '../_shared/metrics.ts';
import { fixesOf } from './fixes.ts';
import type { Pauses } from './pace.ts';
import { rowsAhead } from './rules.ts';
import {
  type Backlog,
  type MeasuredTable,
  noTotals,
  type Policy,
  type PurgeInput,
  type PurgeReport,
  type PurgeStep,
  type PurgeTotals,
} from './schema.ts';

const brake = 'NS428';

/** The results of a run for one table. */
export interface TableResults {
  /** From the ledger, over all attempts of the run. */
  totals: PurgeTotals;
  /** The backlog before the purge; absent when it could not be counted. */
  before?: MeasuredTable;
  /** The backlog after the purge; absent in a dry run, and when it could not be counted. */
  after?: Backlog | undefined;
  outOfTime: boolean;
  /** What ended the run early, in a sentence. */
  stopped?: string | undefined;
  durationMs?: number;
  timedOutMs?: number;
  pauses?: Pick<Pauses, 'pacedMs' | 'pacedFor'> | undefined;
  error?: NightshiftError;
}

/** Reports one table, from the ledger and the counts before and after. */
export function stepOf(
  policy: Policy,
  results: TableResults,
  { dryRun }: Pick<PurgeInput, 'dryRun'>,
): PurgeStep {
  const { totals, outOfTime, stopped, before, after, error } = results;
  const keys = before?.keys ?? [];
  const left = after?.dueRows ?? (before?.dueRows ?? 0) - (dryRun ? 0 : totals.rowsPurged);
  const accountedFor = totals.rowsBlocked + totals.rowsRefused + totals.rowsUndecided;
  // What may stay is not left over.
  const rowsLeft = Math.max(left - totals.rowsKept, after ? 0 : accountedFor);
  const counted = after !== undefined || dryRun;
  const interrupted = outOfTime && stopped !== undefined;
  const reason =
    error || (dryRun && !outOfTime)
      ? undefined
      : reasonLeft(rowsLeft, totals, {
          outOfTime,
          stopped,
          counted,
          dryRun,
          unseen: before ? rowsAhead(before, totals) : 0,
          unseenExact: before?.dueRowsExact ?? false,
        });
  const step = {
    relation: policy.relation,
    dropAfter: policy.dropAfter,
    markerColumn: policy.markerColumn,
    flagColumn: policy.flagColumn,
    dueRows: before?.dueRows ?? 0,
    dueRowsExact: before?.dueRowsExact ?? false,
    rowsPurged: totals.rowsPurged,
    children: totals.children,
    released: totals.released,
    rowsBlocked: totals.rowsBlocked,
    blockedBy: totals.blockedBy,
    rowsKept: totals.rowsKept,
    keptBy: totals.keptBy,
    rowsRefused: totals.rowsRefused,
    refusedBy: totals.refusedBy,
    rowsUndecided: totals.rowsUndecided,
    rowsLeft,
    rowsLeftExact: after?.dueRowsExact ?? (dryRun && (before?.dueRowsExact ?? false)),
    overdueSeconds: rowsLeft === 0 ? null : ((after ?? before)?.overdueSeconds ?? null),
    batches: totals.batches,
    durationMs: Math.round(results.durationMs ?? 0),
    pacedMs: results.pauses?.pacedMs ?? 0,
    pacedFor: results.pauses?.pacedFor ?? [],
    timedOutMs: Math.round(results.timedOutMs ?? 0),
    leftOut: [
      ...new Set(keys.filter(({ leftOut }) => leftOut).map(({ table }) => table)),
    ].toSorted(),
    warnings: before?.warnings ?? [],
    ...(reason === undefined ? {} : { reason }),
    ...(error === undefined ? {} : { error: error.describe() }),
  };
  // In a dry run all that could go is still there.
  const others = dryRun ? 0 : rowsLeft - accountedFor;
  return {
    ...step,
    fixes: fixesOf(keys, step, {
      outOfTime: outOfTime && !interrupted && !dryRun,
      counted,
      others,
    }),
    status: interrupted || (dryRun && outOfTime) ? 'partial' : statusOf(step, dryRun),
  };
}

function reasonLeft(
  rowsLeft: number,
  { rowsBlocked, rowsRefused, rowsUndecided }: PurgeTotals,
  {
    outOfTime,
    stopped = 'time ran out',
    counted,
    dryRun,
    unseen,
    unseenExact,
  }: {
    outOfTime: boolean;
    stopped: string | undefined;
    counted: boolean;
    dryRun: boolean;
    /** How many rows it did not come to; fewer where some went along with rows of other tables. */
    unseen: number;
    unseenExact: boolean;
  },
): string | undefined {
  if (outOfTime) {
    const rest =
      unseen > 0 ? `, with at most ${count(unseen, unseenExact)} due rows not looked at` : '';
    return `${stopped}${rest}; the next ${dryRun ? 'dry run begins anew' : 'run goes on from here'}`;
  }
  if (!counted) return 'what is left could not be counted in time';
  if (rowsLeft === 0) return undefined;
  const others = rowsLeft - rowsBlocked - rowsRefused - rowsUndecided;
  const reasons = [
    ...(rowsBlocked > 0 ? [`${rowsBlocked} still needed by rows that stay`] : []),
    ...(rowsRefused > 0 ? [`${rowsRefused} not let go by a trigger or constraint`] : []),
    ...(rowsUndecided > 0 ? [`${rowsUndecided} not decided: too many rows refer to them`] : []),
    ...(others > 0 ? [`${others} locked or changed by other sessions meanwhile`] : []),
  ];
  return reasons.join('; ');
}

function statusOf(step: Omit<PurgeStep, 'status' | 'fixes'>, dryRun: boolean): PurgeStep['status'] {
  // That a real run would refuse is what a dry run is to find out.
  if (step.error) return dryRun && step.error.code === brake ? 'partial' : 'failed';
  if (dryRun || (step.rowsLeft === 0 && !step.reason)) return 'succeeded';
  // Rows are left, none went, and nothing is known to keep them: that is no progress, whatever the cause.
  if (step.rowsPurged === 0 && step.rowsBlocked + step.rowsRefused + step.rowsUndecided === 0) {
    return 'failed';
  }
  return 'partial';
}

export function reportOf(
  steps: PurgeStep[],
  { dryRun, disabled }: Pick<PurgeReport, 'dryRun' | 'disabled'>,
): PurgeReport {
  const sum = (pick: (step: PurgeStep) => number) =>
    steps.reduce((total, step) => total + pick(step), 0);
  return {
    dryRun,
    rowsPurged: sum((step) => step.rowsPurged),
    childrenPurged: sum((step) => totalOf(step.children)),
    rowsBlocked: sum((step) => step.rowsBlocked),
    rowsKept: sum((step) => step.rowsKept),
    rowsLeft: sum((step) => step.rowsLeft),
    steps,
    disabled,
  };
}

const totalOf = (counts: Record<string, number>) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Why the run failed as a whole. */
export function nothingPurged(steps: readonly PurgeStep[]): NightshiftError {
  const errors = steps.flatMap(({ error }) => error ?? []);
  const [first] = errors;
  const isBrake = errors.length === steps.length && errors.every(({ code }) => code === brake);
  if (first && isBrake) return new NightshiftError(brake, first.message, first);
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
  { steps, childrenPurged, rowsLeft }: PurgeReport,
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
  const childrenBefore = Object.values(earlier).map(({ children }) => totalOf(children));
  metrics.add(
    'ChildRowsPurged',
    childrenPurged - childrenBefore.reduce((sum, rows) => sum + rows, 0),
  );
  metrics.add('RowsBlocked', added('rowsBlocked'));
  // A table that was not counted makes the backlog unknown, and no figure is better than one that is too low.
  if (!only && allMeasured) {
    const ages = steps.map((step) => step.overdueSeconds ?? 0);
    metrics.add('BacklogRows', rowsLeft);
    metrics.add('BacklogAgeSeconds', Math.max(0, ...ages));
  }
  metrics.describe('relations', steps.map((step) => step.relation).join(', '));
}
