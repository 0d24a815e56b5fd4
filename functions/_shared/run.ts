import * as z from 'zod';
import { httpStatusOf, NightshiftError, toNightshiftError } from './errors.ts';
import type { Invocation } from './invocation.ts';
import { inputHint, type Job, type JobContext, type Outcome, type OutcomeStatus } from './job.ts';
import { failureOf, type RunDocument, runDocument, startAnswer } from './ledger.ts';
import { publishOutcome } from './publish-outcome.ts';
import type { RunDependencies, RunResult } from './run-types.ts';
import { isStop, Stop } from './stop.ts';

/**
 * Runs a job under the ledger: takes the lease or reports why it could not, works, records and counts the end, and asks
 * for a continuation when time ran out. Throws only when the ledger cannot be reached or the input is not valid.
 */
export async function runJob<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  invocation: Invocation,
  dependencies: RunDependencies,
): Promise<RunResult> {
  const { metrics, log } = dependencies;
  const { outcome, run, lost } = await takeLease(job, invocation, dependencies).catch(
    async (thrown: unknown) => {
      await dependencies.teller?.whenUnreachable(toNightshiftError(thrown), log);
      throw thrown;
    },
  );
  if (lost.length > 0) {
    metrics.add('RunLost', lost.length);
    log.warn('Marked a run as lost: its lease ran out without a heartbeat', { lost });
  }
  const ended = outcome === 'started' ? await work(job, run, dependencies) : run;
  log.info(outcome === 'started' ? `Run ${ended.status}` : `Run ${outcome}`, {
    runId: ended.id,
    status: ended.status,
    report: ended.report,
  });

  const { resume } = invocation;
  const undelivered = await publishOutcome({ outcome, run: ended, lost, resume }, dependencies);
  if (outcome === 'started' && !run.dryRun) await dependencies.teller?.afterRun(dependencies);
  const error = undelivered ?? failureOf(ended);
  const other = outcome === 'skipped' ? await inFavourOf(ended, dependencies) : undefined;
  return { outcome, run: ended, ...(error ? { error } : {}), ...(other ? { other } : {}) };
}

const overlap = z.object({ reason: z.literal('overlap'), runId: z.string() });

/** The run that is under way, when that is why this one was skipped. It may be over by now, and it is not worth a failure. */
async function inFavourOf(
  { report }: RunDocument,
  { rpc }: RunDependencies,
): Promise<RunDocument | undefined> {
  const { runId } = overlap.safeParse(report).data ?? {};
  if (runId === undefined) return undefined;
  return rpc
    .call('get_run', { run_id: runId }, runDocument, { retry: () => false })
    .catch(() => undefined);
}

/** A run that was interrupted has no metric: it is no failure, and no work that an alarm may take for done. */
const metricOfStatus = {
  succeeded: 'RunSucceeded',
  partial: 'RunPartial',
  continued: 'RunPartial',
  interrupted: undefined,
  failed: 'RunFailed',
} as const satisfies Record<EndStatus, string | undefined>;

async function takeLease<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  { resume, trigger, input: given, idempotencyKey, requestedBy }: Invocation,
  { rpc, metrics }: RunDependencies,
) {
  // Chosen here, so that the ledger recognizes the retry of a call whose answer was lost.
  const requestId = crypto.randomUUID();
  const input = resume ? undefined : parseInput(job, given);
  try {
    if (resume) {
      const { runId, attempt } = resume;
      return await rpc.call(
        'resume_run',
        { run_id: runId, attempt, request_id: requestId },
        startAnswer,
      );
    }
    return await rpc.call(
      'begin_run',
      {
        request_id: requestId,
        job: job.name,
        trigger,
        input: input as never,
        dry_run: input?.dryRun ?? false,
        ...(idempotencyKey ? { idempotency_key: idempotencyKey } : {}),
        ...(requestedBy ? { requested_by: requestedBy } : {}),
      },
      startAnswer,
    );
  } catch (thrown) {
    const error = toNightshiftError(thrown);
    // A night without a reachable ledger must not look like one without a run. A bad request is not a run.
    if (httpStatusOf(error) >= 500) metrics.add('RunFailed', 1);
    throw error;
  }
}

export function parseInput<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  input: unknown,
): Input {
  const parsed = job.input.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new NightshiftError('NS422', `The input is not valid for ${job.name}`, {
    detail: z.prettifyError(parsed.error),
    hint: inputHint(job),
  });
}

/**
 * Without its end in the ledger a night that is done counts as lost, and recording it twice changes nothing: so this
 * outlasts what the work does not, such as the restart of a project.
 */
const untilRecorded = { retries: 60, maxMs: 120_000 };

/** Does the work and records its end. Returns the run as the ledger then has it. */
async function work<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  run: RunDocument,
  dependencies: RunDependencies,
): Promise<RunDocument> {
  const { rpc, direct, clock, deadline, log, metrics, stop = new Stop() } = dependencies;
  const { onProgress = () => {} } = dependencies;
  const outcome = await outcomeOf(job, {
    rpc: stop.heed(rpc),
    direct: direct && stop.heed(direct),
    deadline: stop.limit(deadline),
    stop,
    run,
    clock,
    log,
    metrics,
    onProgress,
  });
  if (outcome.status === 'failed') {
    log.error('Run failed', { runId: run.id, error: outcome.error?.describe() });
  }
  const ended = await rpc
    .call(
      'finish_run',
      {
        run_id: run.id,
        fence: run.fence,
        status: outcome.status,
        report: (outcome.report ?? null) as never,
        error: (outcome.error?.describe() ?? null) as never,
      },
      runDocument,
      { patience: { ...untilRecorded, until: dependencies.recordBy } },
    )
    .catch((thrown: unknown) => {
      // The ledger will mark the run as lost, whatever it achieved.
      metrics.add('RunFailed', 1);
      throw thrown;
    });
  // A dry run did no work, so it must not quiet an alarm that waits for success.
  if (!run.dryRun) {
    const metric = metricOfStatus[outcome.status];
    if (metric) metrics.add(metric, 1);
  }
  return ended;
}

type EndStatus = OutcomeStatus | 'interrupted';
type End<Report> = Partial<Omit<Outcome<Report>, 'status'>> & { status: EndStatus };

async function outcomeOf<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  context: JobContext,
): Promise<End<Report>> {
  const { stop } = context;
  try {
    const outcome = stop.why
      ? { status: 'continued' as const }
      : await job.run(context, parseInput(job, context.run.input));
    // What had nothing left to do, or failed by itself, was not interrupted.
    if (!stop.why || ['succeeded', 'failed'].includes(outcome.status)) return outcome;
    return { ...outcome, status: 'interrupted', error: stop.why };
  } catch (thrown) {
    const error = toNightshiftError(thrown);
    return { status: isStop(error) ? 'interrupted' : 'failed', error };
  }
}
