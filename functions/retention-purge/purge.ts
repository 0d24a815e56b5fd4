import { type NightshiftError, rethrowIfFatal, retryPolicy, timedOut } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { isStop } from '../_shared/stop.ts';
import { BatchSize, firstBatchRows } from './batch-size.ts';
import { Pauses, usualBatchMs } from './pace.ts';
import type { TableResults } from './report.ts';
import {
  braked,
  countFits,
  explain,
  explainMeasuring,
  measuredTogether,
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
export type Purged = Omit<TableResults, 'totals'> & {
  policy: Policy;
  /** What the run had purged of it when its turn ended. In the turn of another it can lose more. */
  rowsPurged: number;
};

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
      const before = answers ? answers[n] : await measureAlone(context, policy);
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

async function measureAlone(
  { rpc, run }: JobContext,
  { relation }: Policy,
): Promise<MeasuredTable | NightshiftError> {
  const args = { ...leaseOf(run), relation };
  try {
    return await rpc.call('measure_retention_backlog', args, measuredTable, { retry: repeatBatch });
  } catch (thrown) {
    return isStop(thrown) ? thrown : explainMeasuring(rethrowIfFatal(thrown), relation);
  }
}

/**
 * What is left when all tables have had their turn, by what was left after its own. `goneAlong`: whether rows of it have gone along
 * with rows of other tables since. Only a count can tell how many of these were due.
 */
export async function measureAtEnd(
  context: JobContext,
  table: Purged,
  totals: PurgeTotals,
  goneAlong: boolean,
): Promise<Backlog | undefined> {
  const { after } = table;
  const rowsSince = totals.rowsPurged - table.rowsPurged;
  if (!after?.dueRows || (rowsSince <= 0 && !goneAlong)) return after;
  const { rpc, run, deadline, stop } = context;
  // Whoever stops a run waits for this one call.
  const fits = stop.why !== undefined || countFits(deadline.remainingMs());
  const counted = fits ? await measureRest({ rpc, run }, table.policy) : undefined;
  const dueRows = Math.max(after.dueRows - rowsSince, 0);
  return counted ?? { ...after, dueRows, dueRowsExact: false };
}

/**
 * Undefined when the backlog cannot be counted; the report then estimates it. To be asked right after the turn of the table:
 * those behind it may take all the time that is left.
 */
export async function measureAfter(
  context: JobContext,
  { policy, before, outOfTime }: Purged,
): Promise<Backlog | undefined> {
  const { run, deadline } = context;
  if (before && nothingDue(before)) return before;
  if (!before || run.dryRun || outOfTime || !countFits(deadline.remainingMs())) return undefined;
  return measureRest(context, policy);
}

async function measureRest(
  { rpc, run }: Pick<JobContext, 'rpc' | 'run'>,
  policy: Policy,
): Promise<Backlog | undefined> {
  const args = { ...leaseOf(run), relation: policy.relation };
  try {
    return await rpc.call('measure_retention_rest', args, backlog, { retry: repeatBatch });
  } catch (thrown) {
    if (!isStop(thrown)) rethrowIfFatal(thrown);
    return undefined;
  }
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
  const { pace, besideOthers, rowsBehind } = turn;
  const { steps, assessments } = turn.earlier;
  const { rowsPurged } = steps[policy.relation] ?? noTotals;
  if (nothingDue(before)) return { policy, before, rowsPurged, durationMs: 0, outOfTime: false };
  const startedMs = clock.nowMs();
  const rows =
    (before.assess ? rowsAhead(before, assessments[policy.relation]) : 0) +
    rowsAhead(before, steps[policy.relation]);
  // Somebody waits for a dry run, so it takes turns, as if there were more to do than it has time for.
  const rowsLeft = run.dryRun ? Number.POSITIVE_INFINITY : rows + rowsBehind;
  const pauses = pace === 'gentle' ? new Pauses(rowsLeft, { besideOthers }) : undefined;
  const spent = { timedOutMs: 0 };
  const end =
    (before.assess
      ? await walk(context, policy, before, { earlier: assessments, assess: true, pauses, spent })
      : undefined) ??
    (await walk(context, policy, before, { earlier: steps, assess: false, pauses, spent }));
  const durationMs = clock.nowMs() - startedMs;
  return { policy, before, rowsPurged, durationMs, pauses, ...spent, outOfTime: false, ...end };
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
    spent,
  }: {
    earlier: Record<string, PurgeTotals>;
    assess: boolean;
    pauses: Pauses | undefined;
    spent: { timedOutMs: number };
  },
): Promise<Partial<Purged> | undefined> {
  const { relation } = policy;
  // An estimate of none is no reason to look at one row at a time.
  const size = new BatchSize(
    before.dueRowsExact ? Math.min(firstBatchRows, Math.max(before.dueRows, 1)) : firstBatchRows,
  );
  let lastMs = 0;
  let leavesUndecided = false;
  let totals = earlier[relation] ?? noTotals;
  const ended = (how: Partial<Purged>) =>
    assess ? how : { ...how, rowsPurged: totals.rowsPurged };
  while (spareMs(deadline.remainingMs(), lastMs) > 0) {
    const closureRows = leavesUndecided ? 1 : size.closureRows;
    const args = {
      ...leaseOf(run),
      relation,
      batch_rows: size.rows,
      batch_ms: pauses?.batchMs ?? usualBatchMs,
      assess,
      ...(closureRows ? { closure_rows: closureRows } : {}),
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
      const rowsDone = rowsDecided(batch.step) - rowsDecided(totals);
      totals = batch.step;
      if (batch.refusal !== null) return ended({ error: braked(relation, batch.refusal) });
      if (batch.done) return assess ? undefined : ended({});
      // One that followed a long chain of references says little of how long the next will take.
      if (!batch.bySlices && batch.rowsReached <= size.rows) size.adapt(batch.durationMs);
      await pauses?.makeAfter(batch, {
        elapsedMs: clock.nowMs() - calledMs,
        spareMs: spareMs(deadline.remainingMs(), lastMs),
        rowsDone,
      });
    } catch (thrown) {
      if (isStop(thrown)) break;
      const error = rethrowIfFatal(thrown);
      if (error.code === timedOut) spent.timedOutMs += clock.nowMs() - calledMs;
      if (error.code === timedOut && size.halve()) continue;
      if (error.code === timedOut && !leavesUndecided) {
        // A row with which so much goes, or is released, that there is no time for it: it must not keep those behind it.
        leavesUndecided = true;
      } else {
        return ended({ error: explain(error, policy, before) });
      }
    }
  }
  return ended({ outOfTime: true });
}
