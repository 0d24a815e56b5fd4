import { NightshiftError, nothingDone, orStop, timedOut } from '../_shared/errors.ts';
import type { Job, JobContext, Outcome } from '../_shared/job.ts';
import { leaseOf, runDocument } from '../_shared/ledger.ts';
import {
  batchFits,
  countFits,
  firstBatchRows,
  halveBatchRows,
  nextBatchRows,
  orderPolicies,
  refusal,
  repeatBatch,
  runStatus,
  summarize,
} from './rules.ts';
import {
  type Backlog,
  backlog,
  noTotals,
  type Policy,
  type PurgeInput,
  type PurgeReport,
  type PurgeStep,
  type PurgeTotals,
  purgedBatch,
  purgeInput,
  purgePlan,
  purgeProgress,
} from './schema.ts';

export const job: Job<PurgeInput, PurgeReport> = {
  name: 'retention-purge',
  input: purgeInput,
  example: { dryRun: true, only: ['public.orders'], force: false },
  run,
};

interface Subject {
  policy: Policy;
  before: Backlog | NightshiftError;
}

async function run(context: JobContext, input: PurgeInput): Promise<Outcome<PurgeReport>> {
  const { rpc } = context;
  const lease = leaseOf(context.run);
  const only = input.only ? { only_relations: input.only } : {};
  const plan = await rpc.call('plan_retention_purge', { ...lease, ...only }, purgePlan);

  const subjects: Subject[] = [];
  for (const policy of orderPolicies(plan.policies)) {
    subjects.push({ policy, before: await measure(context, policy, false) });
  }
  const refusals = subjects.flatMap(({ policy, before }) =>
    before instanceof NightshiftError ? [] : (refusal(policy, before) ?? []),
  );
  if (refusals.length > 0 && !input.dryRun && !input.force) {
    throw new NightshiftError('NS428', 'The run would remove more than a policy allows', {
      detail: `${refusals.join('. ')}. Nothing was deleted.`,
      hint: 'Look with a dry run. If it is meant: run once with force, or raise max_fraction with nightshift.alter_retention_policy. To purge the other tables meanwhile, name them in only.',
    });
  }

  const attempts: Attempt[] = [];
  for (const subject of subjects) attempts.push(await attempt(context, subject));
  const steps = await closeSteps(context, attempts);
  const report = reportOf(steps, input.dryRun, plan.disabled, refusals);
  if (!input.dryRun) countMetrics(context, report, attempts, input);
  const status = runStatus(
    steps,
    attempts.some(({ outOfTime }) => outOfTime),
    steps.some(({ relation, batches }) => batches > earlierTotals(context, relation).batches),
  );
  return { status, report, ...(status === 'failed' ? { error: nothingPurged(steps) } : {}) };
}

/** One table's turn in this attempt of the run. */
interface Attempt {
  policy: Policy;
  before?: Backlog;
  outOfTime: boolean;
  durationMs: number;
  error?: NightshiftError;
}

async function measure(
  context: JobContext,
  policy: Policy,
  again: boolean,
): Promise<Backlog | NightshiftError> {
  const args = { ...leaseOf(context.run), relation: policy.relation, again };
  try {
    return await context.rpc.call('measure_retention_backlog', args, backlog, {
      retry: repeatBatch,
    });
  } catch (thrown) {
    return orStop(thrown);
  }
}

/** What the ledger knew of a table when this attempt began. */
function earlierTotals({ run }: JobContext, relation: string): PurgeTotals {
  return purgeProgress.parse(run.progress).steps[relation] ?? noTotals;
}

/** Counts what is left, and takes the totals from the ledger: a table can lose rows in the turn of another. */
async function closeSteps(context: JobContext, attempts: Attempt[]): Promise<PurgeStep[]> {
  const { dryRun } = context.run;
  const run = await context.rpc.call('heartbeat_run', leaseOf(context.run), runDocument);
  const totals = purgeProgress.parse(run.progress).steps;
  const steps: PurgeStep[] = [];
  for (const { policy, ...attempted } of attempts) {
    const countable =
      attempted.before &&
      !dryRun &&
      !attempted.outOfTime &&
      countFits(context.deadline.remainingMs());
    const after = countable ? await measure(context, policy, true) : undefined;
    steps.push(
      summarize(policy, {
        ...attempted,
        dryRun,
        totals: totals[policy.relation] ?? noTotals,
        // What cannot be counted right now is estimated; the purge itself is none the worse for it.
        after: after instanceof NightshiftError ? undefined : after,
      }),
    );
  }
  return steps;
}

async function attempt(context: JobContext, { policy, before }: Subject): Promise<Attempt> {
  if (before instanceof NightshiftError) {
    return { policy, error: before, outOfTime: false, durationMs: 0 };
  }
  const { rpc, clock, deadline, metrics, onProgress } = context;
  const startedMs = clock.nowMs();
  const spentMs = () => clock.nowMs() - startedMs;
  let rows = Math.min(firstBatchRows, Math.max(before.dueRows, 1));
  let lastMs = 0;
  while (true) {
    if (!batchFits(deadline.remainingMs(), lastMs)) {
      return { policy, before, outOfTime: true, durationMs: spentMs() };
    }
    try {
      const batch = await rpc.call(
        'purge_batch',
        { ...leaseOf(context.run), relation: policy.relation, batch_rows: rows },
        purgedBatch,
        { retry: repeatBatch },
      );
      lastMs = batch.durationMs;
      metrics.add('BatchDurationMs', batch.durationMs);
      onProgress({
        subject: policy.relation,
        unit: 'rows',
        done: batch.step.rowsPurged + batch.step.rowsBlocked,
        total: before.dueRows,
      });
      if (batch.done) return { policy, before, outOfTime: false, durationMs: spentMs() };
      rows = nextBatchRows(rows, batch.durationMs);
    } catch (thrown) {
      const error = orStop(thrown);
      const halved: number | undefined = error.code === timedOut ? halveBatchRows(rows) : undefined;
      if (halved === undefined) {
        return {
          policy,
          before,
          outOfTime: false,
          durationMs: spentMs(),
          error: explain(error, policy),
        };
      }
      rows = halved;
    }
  }
}

function explain(error: NightshiftError, policy: Policy): NightshiftError {
  if (error.code !== timedOut) return error;
  return new NightshiftError(
    timedOut,
    `Deleting a single row of ${policy.relation} takes longer than the statement timeout`,
    {
      hint:
        policy.warnings[0] ??
        'Look for slow triggers on the table, and for tables that refer to it without an index.',
      cause: error,
    },
  );
}

function reportOf(
  steps: PurgeStep[],
  dryRun: boolean,
  disabled: string[],
  refusals: string[],
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

/** What this attempt did; the report has the totals of the run. */
function countMetrics(
  context: JobContext,
  { steps }: PurgeReport,
  attempts: Attempt[],
  { only }: PurgeInput,
): void {
  const { metrics } = context;
  const sum = (pick: (step: PurgeStep) => number) =>
    steps.reduce((total, step) => total + pick(step), 0);
  const earlier = (step: PurgeStep) => earlierTotals(context, step.relation);
  metrics.add(
    'RowsPurged',
    sum((step) => step.rowsPurged - earlier(step).rowsPurged),
  );
  metrics.add(
    'RowsBlocked',
    sum((step) => step.rowsBlocked - earlier(step).rowsBlocked),
  );
  // A table that was not counted has an unknown backlog, and so has the whole: no figure is better than a low one.
  if (!only && attempts.every(({ before }) => before)) {
    const ages = steps.map((step) => step.overdueSeconds ?? 0);
    const rowsLeft = sum((step) => step.rowsLeft);
    metrics.add('BacklogRows', rowsLeft);
    metrics.add('BacklogAgeSeconds', Math.max(0, ...ages));
  }
  metrics.describe('relations', steps.map((step) => step.relation).join(', '));
}

function nothingPurged(steps: readonly PurgeStep[]): NightshiftError {
  const subjects = steps.map(({ relation, reason, error }) => ({
    subject: relation,
    why: reason ?? 'nothing was done',
    error,
  }));
  return nothingDone('No table could be purged', subjects);
}
