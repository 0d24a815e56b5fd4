import * as z from 'zod';
import { repeatLook, toNightshiftError } from '../_shared/errors.ts';
import type { Job, JobContext, Outcome } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { readHealth } from './read.ts';
import { countMetrics, nothingChecked, reportOf } from './report.ts';
import { type HealthInput, type HealthReport, healthDocument, healthInput } from './schema.ts';

/** The longest that one call takes, round trip included. */
const callMs = 15_000;

export const job: Job<HealthInput, HealthReport> = {
  name: 'health-check',
  input: healthInput,
  example: { dryRun: false, quick: true },
  run,
};

async function run(
  { rpc, run, deadline, metrics, log }: JobContext,
  input: HealthInput,
): Promise<Outcome<HealthReport>> {
  const document = await readHealth(
    ({ only, quick }) => {
      const args = { ...leaseOf(run), quick, ...(only ? { only_checks: only } : {}) };
      return rpc.call('check_health', args, healthDocument, { retry: repeatLook });
    },
    input,
    () => deadline.remainingMs() > callMs,
  );
  if (!input.dryRun) {
    // Who looks sees from the age of the snapshot that none was taken. What the checks found is worth no less.
    await rpc.call('take_status', leaseOf(run), z.string()).catch((thrown: unknown) => {
      log.error('The status could not be taken', { error: toNightshiftError(thrown).describe() });
    });
  }
  // A run of a few checks says nothing about the rest.
  if (!input.dryRun && !input.only) countMetrics(metrics, document, input);
  const report = reportOf(document, input);
  const error = nothingChecked(document.checks);
  if (error) return { status: 'failed', report, error };
  return { status: document.notRun.length > 0 ? 'partial' : 'succeeded', report };
}
