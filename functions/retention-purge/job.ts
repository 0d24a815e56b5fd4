import { NightshiftError, repeatLook } from '../_shared/errors.ts';
import type { Job, JobContext, Outcome } from '../_shared/job.ts';
import { leaseOf, runDocument } from '../_shared/ledger.ts';
import { isStop } from '../_shared/stop.ts';
import {
  type Measured,
  measureAfter,
  measureAll,
  measureAtEnd,
  type Purged,
  purgeTable,
  type Turn,
} from './purge.ts';
import { countMetrics, nothingPurged, reportOf, stepOf } from './report.ts';
import { braked, rowsAhead, runStatus } from './rules.ts';
import {
  noTotals,
  type PurgeInput,
  type PurgeProgress,
  type PurgeReport,
  type PurgeTotals,
  purgeInput,
  purgePlan,
  purgeProgress,
} from './schema.ts';

export const job: Job<PurgeInput, PurgeReport> = {
  name: 'retention-purge',
  input: purgeInput,
  example: { dryRun: true, only: ['public.orders'] },
  run,
};

async function run(context: JobContext, input: PurgeInput): Promise<Outcome<PurgeReport>> {
  const { rpc, run } = context;
  const args = { ...leaseOf(run), ...(input.only ? { only_relations: input.only } : {}) };
  const plan = await rpc.call('plan_retention_purge', args, purgePlan, { retry: repeatLook });

  const purged: Purged[] = [];
  const besideOthers = plan.pressure.sessionsAtWork > 0;
  const measured = await measureAll(context, plan.policies);
  const earlier = purgeProgress.parse(run.progress);
  const rowsOf = ({ policy, before }: Measured) =>
    before instanceof NightshiftError ? 0 : rowsAhead(before, earlier.steps[policy.relation]);
  let rowsBehind = measured.reduce((rows, table) => rows + rowsOf(table), 0);
  for (const table of measured) {
    rowsBehind -= rowsOf(table);
    const turn = { pace: input.pace, besideOthers, rowsBehind, earlier };
    const result = await purgeMeasured(context, table, turn);
    purged.push({ ...result, after: await measureAfter(context, result) });
  }
  return conclude(context, input, purged, { disabled: plan.disabled, earlier: earlier.steps });
}

async function purgeMeasured(
  context: JobContext,
  { policy, before }: Measured,
  turn: Turn,
): Promise<Purged> {
  const { rowsPurged } = turn.earlier.steps[policy.relation] ?? noTotals;
  const untouched = { policy, rowsPurged, outOfTime: false, durationMs: 0 };
  if (isStop(before)) return { ...untouched, outOfTime: true };
  if (before instanceof NightshiftError) return { ...untouched, error: before };
  if (policy.refusal)
    return { ...untouched, before, error: braked(policy.relation, policy.refusal) };
  return purgeTable(context, policy, before, turn);
}

/** How many rows of a table went along with rows of another. */
const goneWith = (parent: string, child: string, steps: PurgeProgress['steps']) =>
  steps[parent]?.children[child];

async function conclude(
  context: JobContext,
  input: PurgeInput,
  purged: readonly Purged[],
  { disabled, earlier }: { disabled: string[]; earlier: PurgeProgress['steps'] },
): Promise<Outcome<PurgeReport>> {
  const { metrics, stop } = context;
  const totals = await readTotals(context);
  const steps = [];
  for (const [n, table] of purged.entries()) {
    const { policy } = table;
    const ofTable = totals[policy.relation] ?? noTotals;
    const goneAlong = purged
      .slice(n + 1)
      .map((later) => later.policy.relation)
      .some(
        (later) =>
          goneWith(later, policy.relation, totals) !== goneWith(later, policy.relation, earlier),
      );
    const after = await measureAtEnd(context, table, ofTable, goneAlong);
    const results = { ...table, totals: ofTable, after, stopped: stop.why?.message };
    steps.push(stepOf(policy, results, input));
  }
  const report = reportOf(steps, { disabled, dryRun: input.dryRun });
  const allMeasured = purged.every(({ before }) => before);
  if (!input.dryRun) countMetrics(metrics, report, { earlier, allMeasured, only: input.only });
  const status = runStatus(steps, {
    outOfTime: purged.some(({ outOfTime }) => outOfTime),
    progressed: steps.some(
      ({ relation, batches }) => batches > (earlier[relation] ?? noTotals).batches,
    ),
  });
  return { status, report, ...(status === 'failed' ? { error: nothingPurged(steps) } : {}) };
}

/** Read after all tables have had their turn, since a table can lose rows in the turn of another. */
async function readTotals({ rpc, run }: JobContext): Promise<Record<string, PurgeTotals>> {
  const { progress } = await rpc.call('heartbeat_run', leaseOf(run), runDocument);
  return purgeProgress.parse(progress).steps;
}
