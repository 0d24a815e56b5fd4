import * as z from 'zod';
import type { Bus } from './bus.ts';
import type { Clock, Deadline } from './clock.ts';
import { NightshiftError, toNightshiftError } from './errors.ts';
import type { Invocation } from './invocation.ts';
import type { Job, JobContext, OutcomeStatus } from './job.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Rpc } from './rpc.ts';

const runDocument = z.object({
  id: z.string(),
  job: z.string(),
  trigger: z.string(),
  dryRun: z.boolean(),
  status: z.enum(['running', 'continued', 'succeeded', 'partial', 'failed', 'skipped', 'lost']),
  attempt: z.number(),
  fence: z.number(),
  input: z.unknown(),
  startedAt: z.string(),
  finishedAt: z.string().nullable(),
  progress: z.record(z.string(), z.unknown()),
  report: z.unknown(),
  error: z.unknown(),
});

/** A row of the ledger, as nightshift.describe_run writes it. */
export type RunDocument = z.output<typeof runDocument>;
export const runDocuments = z.array(runDocument);

const claim = z.object({
  outcome: z.enum(['started', 'duplicate', 'skipped']),
  run: runDocument,
  lost: z.array(z.string()),
});

export interface RunResult {
  outcome: 'started' | 'duplicate' | 'skipped';
  run: RunDocument;
  /** Set when the run failed in this invocation. */
  error?: NightshiftError;
}

export interface RunDependencies {
  rpc: Rpc;
  clock: Clock;
  deadline: Deadline;
  log: Log;
  metrics: Metrics;
  bus?: Bus;
  onProgress?: JobContext['onProgress'];
}

/**
 * Runs a job under the ledger: takes the lease or says why not, works, writes the end of it, counts it, and asks to be
 * continued when time ran out. Throws only when the ledger itself cannot be reached or the input is not valid.
 */
export async function runJob<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  invocation: Invocation,
  dependencies: RunDependencies,
): Promise<RunResult> {
  const { rpc, metrics, log, clock } = dependencies;
  const startedMs = clock.nowMs();
  const claimed = await takeLease(job, invocation, rpc);
  if (claimed.lost.length > 0) {
    metrics.add('RunLost', claimed.lost.length);
    log.warn('Marked a run as lost: its lease ran out without a heartbeat', { lost: claimed.lost });
  }
  if (claimed.outcome !== 'started') {
    if (claimed.outcome === 'skipped') metrics.add('RunSkipped', 1);
    log.info(`Run ${claimed.outcome}`, { runId: claimed.run.id, status: claimed.run.status });
    return claimed;
  }

  const result = await work(job, claimed.run, dependencies);
  metrics.add('RunDurationMs', clock.nowMs() - startedMs);
  metrics.add(metricOfStatus[result.status], 1);
  log.info(`Run ${result.status}`, { runId: claimed.run.id, report: result.report });

  const run = await rpc.call(
    'finish_run',
    {
      run_id: claimed.run.id,
      fence: claimed.run.fence,
      status: result.status,
      report: (result.report ?? null) as never,
      error: (result.error?.describe() ?? null) as never,
    },
    runDocument,
  );
  if (result.status === 'continued') await askToContinue(job.name, run, dependencies);
  return { outcome: 'started', run, ...(result.error ? { error: result.error } : {}) };
}

const metricOfStatus = {
  succeeded: 'RunSucceeded',
  partial: 'RunPartial',
  continued: 'RunPartial',
  failed: 'RunFailed',
} as const satisfies Record<OutcomeStatus, string>;

function takeLease<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  invocation: Invocation,
  rpc: Rpc,
) {
  if (invocation.resume) {
    const { runId, attempt } = invocation.resume;
    return rpc.call('resume_run', { run_id: runId, attempt }, claim);
  }
  const input = parseInput(job, invocation.input);
  return rpc.call(
    'begin_run',
    {
      // Chosen here, so that a repeated call whose first answer was lost is the same run.
      run_id: crypto.randomUUID(),
      job: job.name,
      trigger: invocation.trigger,
      input: input as never,
      dry_run: input.dryRun,
      ...(invocation.idempotencyKey ? { idempotency_key: invocation.idempotencyKey } : {}),
      ...(invocation.requestedBy ? { requested_by: invocation.requestedBy } : {}),
    },
    claim,
  );
}

function parseInput<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  input: unknown,
): Input {
  const parsed = job.input.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new NightshiftError('NS422', `The input is not valid for ${job.name}`, {
    detail: z.prettifyError(parsed.error),
    hint: 'Send {}, or {"dryRun": true, "only": ["public.orders"], "force": false}.',
  });
}

async function work<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  run: RunDocument,
  { rpc, clock, deadline, log, metrics, onProgress = () => {} }: RunDependencies,
): Promise<{ status: OutcomeStatus; report?: Report; error?: NightshiftError }> {
  try {
    const context = { rpc, run, clock, deadline, log, metrics, onProgress };
    return await job.run(context, parseInput(job, run.input));
  } catch (thrown) {
    const error = toNightshiftError(thrown);
    log.error('Run failed', { runId: run.id, error: error.describe() });
    return { status: 'failed', error };
  }
}

async function askToContinue(job: string, run: RunDocument, { bus, log }: RunDependencies) {
  if (!bus) {
    log.warn(
      'Time ran out with work left; without an event bus the next scheduled run takes it up',
      {
        runId: run.id,
      },
    );
    return;
  }
  await bus.publishContinue({ job, runId: run.id, attempt: run.attempt });
}
