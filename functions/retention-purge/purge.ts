import type * as z from 'zod';
import { NightshiftError, rethrowIfFatal, retryPolicy, timedOut } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { isStop } from '../_shared/stop.ts';
import { Pauses, usualBatchMs } from './pace.ts';
import type { TableResults } from './report.ts';
import {
  braked,
  countFits,
  explain,
  firstBatchRows,
  halveBatchRows,
  measuredTogether,
  nextBatchRows,
  nothingDue,
  repeatBatch,
  rowsAhead,
  rowsDecided,
  spareMs,
} from './rules.ts';
import {
  type Backlog,
  backlog,
  type MeasuredTable,
  measuredTable,
  measuredTables,
  noTotals,
  type Policy,
  type PurgeInput,
  type PurgeProgress,
  type PurgeTotals,
  purgedBatch,
} from './schema.ts';

/** What this attempt did with one table. The totals of the run are in the ledger. */
export type Purged = Omit<TableResults, 'totals' | 'after'> & { policy: Policy };

export interface Measured {
  policy: Policy;
  before: MeasuredTable | NightshiftError;
}

/** Of most tables nothing is due, and many of them share a call. Where one fails, each is asked alone: it costs that table. */
export async function measureAll(
  context: JobContext,
  policies: readonly Policy[],
): Promise<Measured[]> {
  const measured: Measured[] = [];
  while (measured.length < policies.length) {
    const rest = policies.slice(measured.length, measured.length + measuredTogether);
    const answers = await measureTogether(context, rest);
    for (const [n, policy] of rest.entries()) {
      const before = answers ? answers[n] : await measure(context, policy, false, measuredTable);
      if (before) measured.push({ policy, before });
    }
  }
  return measured;
}

/** Of the first few of them, at least one; undefined when one of them cannot be measured. */
async function measureTogether(
  { rpc, run }: JobContext,
  policies: readonly Policy[],
): Promise<MeasuredTable[] | undefined> {
  const args = { ...leaseOf(run), relations: policies.map(({ relation }) => relation) };
  try {
    return await rpc.call('measure_retention_backlogs', args, measuredTables, {
      retry: retryPolicy(1),
    });
  } catch (thrown) {
    if (!isStop(thrown)) rethrowIfFatal(thrown);
    return undefined;
  }
}

/** Undefined when the backlog cannot be counted; the report then estimates it. */
export async function measureAfter(
  context: JobContext,
  { policy, before, outOfTime }: Purged,
): Promise<Backlog | undefined> {
  const { run, deadline } = context;
  if (before && nothingDue(before)) return before;
  if (!before || run.dryRun || outOfTime || !countFits(deadline.remainingMs())) return undefined;
  const after = await measure(context, policy, true, backlog);
  return after instanceof NightshiftError ? undefined : after;
}

async function measure<Schema extends z.ZodType>(
  { rpc, run }: JobContext,
  { relation }: Policy,
  again: boolean,
  answer: Schema,
): Promise<z.output<Schema> | NightshiftError> {
  const args = { ...leaseOf(run), relation, again };
  return rpc
    .call('measure_retention_backlog', args, answer, { retry: repeatBatch })
    .catch((thrown: unknown) => (isStop(thrown) ? thrown : rethrowIfFatal(thrown)));
}

/** What a table's turn has to do with all else that goes on. */
export interface Turn {
  pace: PurgeInput['pace'];
  /** Whether other sessions were at work when the run began. */
  besideOthers: boolean;
  /** That are due in the tables whose turn comes later. */
  rowsBehind: number;
  /** What earlier attempts of the run did. */
  earlier: PurgeProgress;
}

/**
 * Asks the brake where much would go, and deletes batch by batch until nothing that is due can go, or the deadline is near.
 * A dry run counts in the same way.
 */
export async function purgeTable(
  context: JobContext,
  policy: Policy,
  before: MeasuredTable,
  turn: Turn,
): Promise<Purged> {
  const { clock, run } = context;
  if (nothingDue(before)) return { policy, before, durationMs: 0, outOfTime: false };
  const startedMs = clock.nowMs();
  const { pace, besideOthers, rowsBehind } = turn;
  const { steps, assessments } = turn.earlier;
  const rows =
    (before.assess ? rowsAhead(before, assessments[policy.relation]) : 0) +
    rowsAhead(before, steps[policy.relation]);
  // Somebody waits for a dry run, so it takes turns, as if there were more to do than it has time for.
  const rowsLeft = run.dryRun ? Number.POSITIVE_INFINITY : rows + rowsBehind;
  const pauses = pace === 'gentle' ? new Pauses(rowsLeft, { besideOthers }) : undefined;
  const end =
    (before.assess
      ? await walk(context, policy, before, { earlier: assessments, assess: true, pauses })
      : undefined) ??
    (await walk(context, policy, before, { earlier: steps, assess: false, pauses }));
  const durationMs = clock.nowMs() - startedMs;
  return { policy, before, durationMs, pauses, outOfTime: false, ...end };
}

/** One way through the table. Says why it ended, when there is nothing more to do for it. */
async function walk(
  { rpc, run, clock, deadline, metrics, onProgress }: JobContext,
  policy: Policy,
  before: MeasuredTable,
  {
    earlier,
    assess,
    pauses,
  }: { earlier: Record<string, PurgeTotals>; assess: boolean; pauses: Pauses | undefined },
): Promise<Partial<Purged> | undefined> {
  const { relation } = policy;
  // An estimate of none is no reason to look at one row at a time.
  let rows = before.dueRowsExact
    ? Math.min(firstBatchRows, Math.max(before.dueRows, 1))
    : firstBatchRows;
  let lastMs = 0;
  let leavesUndecided = false;
  let rowsDone = rowsDecided(earlier[relation] ?? noTotals);
  while (spareMs(deadline.remainingMs(), lastMs) > 0) {
    const args = {
      ...leaseOf(run),
      relation,
      batch_rows: rows,
      batch_ms: pauses?.batchMs ?? usualBatchMs,
      assess,
      ...(leavesUndecided ? { closure_rows: 1 } : {}),
    };
    const calledMs = clock.nowMs();
    try {
      const batch = await rpc.call('purge_batch', args, purgedBatch, { retry: repeatBatch });
      leavesUndecided = false;
      lastMs = batch.durationMs;
      metrics.add('BatchDurationMs', batch.durationMs);
      onProgress({
        subject: relation,
        unit: 'rows',
        done: rowsDecided(batch.step),
        total: before.dueRows,
        remark: pauses?.pacedMs ? 'with pauses' : undefined,
      });
      if (batch.refusal !== null) return { error: braked(relation, batch.refusal) };
      if (batch.done) return assess ? undefined : {};
      // One that followed a long chain of references says little of how long the next will take.
      if (!batch.bySlices && batch.rowsReached <= rows)
        rows = nextBatchRows(rows, batch.durationMs);
      const rowsDoneBefore = rowsDone;
      rowsDone = rowsDecided(batch.step);
      await pauses?.makeAfter(batch, {
        elapsedMs: clock.nowMs() - calledMs,
        spareMs: spareMs(deadline.remainingMs(), lastMs),
        rowsDone: rowsDone - rowsDoneBefore,
      });
    } catch (thrown) {
      if (isStop(thrown)) break;
      const error = rethrowIfFatal(thrown);
      const fewer: number | undefined = error.code === timedOut ? halveBatchRows(rows) : undefined;
      if (fewer !== undefined) {
        rows = fewer;
      } else if (error.code === timedOut && !leavesUndecided) {
        // A row with which so much goes, or is released, that there is no time for it: it must not keep those behind it.
        leavesUndecided = true;
      } else {
        return { error: explain(error, policy, before) };
      }
    }
  }
  return { outOfTime: true };
}
