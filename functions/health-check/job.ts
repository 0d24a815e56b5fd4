import type { Job, JobContext, Outcome } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { readHealth } from './read.ts';
import { criticalFindings, gaugesOf, nothingChecked, reportOf, worstValue } from './rules.ts';
import {
  type HealthDocument,
  type HealthInput,
  type HealthReport,
  healthDocument,
  healthInput,
} from './schema.ts';

/** What one call may take, its way there and back included. */
const callMs = 15_000;

export const job: Job<HealthInput, HealthReport> = {
  name: 'health-check',
  input: healthInput,
  example: { dryRun: false, quick: true },
  run,
};

async function run(
  { rpc, run, deadline, metrics }: JobContext,
  input: HealthInput,
): Promise<Outcome<HealthReport>> {
  const document = await readHealth(
    ({ only, quick }) => {
      const args = { ...leaseOf(run), quick, ...(only ? { only_checks: only } : {}) };
      return rpc.call('check_health', args, healthDocument);
    },
    input,
    () => deadline.remainingMs() > callMs,
  );
  // A look at a few of them says nothing of the rest.
  if (!input.dryRun && !input.only) countMetrics(metrics, document);
  const report = reportOf(document, input);
  const error = nothingChecked(document.checks);
  if (error) return { status: 'failed', report, error };
  return { status: document.notRun.length > 0 ? 'partial' : 'succeeded', report };
}

function countMetrics(metrics: JobContext['metrics'], document: HealthDocument): void {
  const { checks, jobs, databaseBytes } = document;
  const gauges = gaugesOf(document);
  metrics.add('ChecksWarning', gauges.warning);
  metrics.add('ChecksCritical', gauges.critical);
  metrics.add('ChecksUnknown', gauges.unknown);
  if (databaseBytes !== undefined) metrics.add('DatabaseBytes', databaseBytes);
  // What could not be measured has no figure: none is better than a wrong one.
  for (const [name, check] of [
    ['SoftDeletesPerHour', 'soft_deletes'],
    ['FailedRestores', 'failed_restores'],
  ] as const) {
    const value = worstValue(checks, check);
    if (value !== undefined) metrics.add(name, value);
  }
  const slow = criticalFindings(checks, 'slow_statements');
  if (slow !== undefined) metrics.add('SlowStatements', slow);
  for (const state of jobs ?? []) {
    const { job, secondsSinceLastSuccess } = state;
    // Of a job that is neither declared nor ever ran there is nothing to say.
    if (secondsSinceLastSuccess === null && !state.lastRun) continue;
    if (secondsSinceLastSuccess !== null) {
      metrics.addFor(job, 'SecondsSinceLastSuccess', secondsSinceLastSuccess);
    }
    metrics.addFor(job, 'FailedRunsInRow', state.failedInRow);
    metrics.addFor(job, 'PartialRunsInRow', state.partialInRow);
    metrics.addFor(job, 'LostRunsInRow', state.lostInRow);
  }
}
