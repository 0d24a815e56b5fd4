import type { APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { readRunnerToken } from './access.ts';
import { type Bus, createBus } from './bus.ts';
import { type Deadline, deadlineIn, systemClock } from './clock.ts';
import type { Direct, DirectOptions } from './direct.ts';
import type { Endpoint } from './endpoint.ts';
import { NightshiftError, toNightshiftError } from './errors.ts';
import {
  asHttpRequest,
  asksFor,
  type HttpRequest,
  isTrusted,
  parseHttpRequest,
  requireTrust,
  respondToError,
  respondToRun,
} from './http.ts';
import { type Invocation, parseEvent } from './invocation.ts';
import type { Job } from './job.ts';
import { createLog } from './log.ts';
import { createMetrics } from './metrics.ts';
import { createRpc } from './rpc.ts';
import { runJob } from './run.ts';
import type { RunResult } from './run-types.ts';
import { listRuns } from './runs-endpoints.ts';
import { readSettings, type Settings } from './settings.ts';

/** Before Lambda's own limit nothing is waited for any more. */
const reserveMs = 2_000;

/** Kept from the work, so that a proxy that does not answer for a while makes no night that is done a lost one. */
const recordingMs = (remainingMs: number) => Math.min(remainingMs / 10, 30_000);

type Answer = APIGatewayProxyStructuredResultV2 | RunResult['run'] | { ignored: string };

/**
 * Makes the Lambda handler of a job. HTTP callers get a response. Every other trigger gets the run, and a failed run is
 * thrown, so that Lambda counts an error, retries, and sends the event to the dead letters in the end. A retry finds the
 * run of the same event and does no work twice. `connectDirect` is passed in by the jobs that need it, so that the
 * driver stays out of the other bundles.
 */
export function createHandler<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  {
    connectDirect,
    endpoints = [],
  }: {
    connectDirect?: (databaseUrl: string, deadline: Deadline, options: DirectOptions) => Direct;
    endpoints?: readonly Endpoint[];
  } = {},
) {
  const allEndpoints = [...endpoints, listRuns(job.name)];
  const log = createLog(job.name);
  const metrics = createMetrics(job.name);
  let settings: Settings | undefined;
  let bus: Bus | undefined;

  /** An HTTP caller learns nothing about the configuration. The log says which setting to fix. */
  function settingsForHttp(): Settings {
    try {
      settings ??= readSettings(process.env);
      return settings;
    } catch (thrown) {
      log.error('The environment is not valid', { error: toNightshiftError(thrown).describe() });
      throw new NightshiftError('NS500', 'The function is not configured', {
        hint: 'Its log says which settings to mend.',
        cause: thrown,
      });
    }
  }

  async function answerOfEndpoint(
    request: HttpRequest,
    remainingMs: number,
  ): Promise<APIGatewayProxyStructuredResultV2 | undefined> {
    const { httpToken, supabase } = settingsForHttp();
    for (const endpoint of allEndpoints) {
      const asked = asksFor(request, endpoint.method, endpoint.path);
      if (!asked) continue;
      if (!endpoint.isOpen) requireTrust(request, httpToken);
      const deadline = deadlineIn(systemClock, Math.min(remainingMs, endpoint.budgetMs));
      return endpoint.answer({
        rpc: createRpc(supabase, deadline),
        clock: systemClock,
        log,
        trusted: isTrusted(request, httpToken),
        accessExpiresAtMs:
          'runnerToken' in supabase
            ? readRunnerToken(supabase.runnerToken)?.expiresAtMs
            : undefined,
        ...asked,
      });
    }
    return undefined;
  }

  async function run(
    invocation: Invocation,
    deadline: Deadline,
    recordBy: Deadline,
  ): Promise<RunResult> {
    settings ??= readSettings(process.env);
    const { supabase, databaseUrl, databaseCa, eventBus } = settings;
    if (eventBus) bus ??= createBus(eventBus);
    let direct: Direct | undefined;
    try {
      direct = databaseUrl ? connectDirect?.(databaseUrl, deadline, { ca: databaseCa }) : undefined;
      return await runJob(job, invocation, {
        rpc: createRpc(supabase, deadline),
        clock: systemClock,
        deadline,
        recordBy,
        log,
        metrics,
        direct,
        ...(bus ? { bus } : {}),
      });
    } finally {
      metrics.flush();
    }
  }

  return async (event: unknown, context: Context): Promise<Answer> => {
    const remainingMs = context.getRemainingTimeInMillis() - reserveMs;
    const recordBy = deadlineIn(systemClock, remainingMs);
    const workMs = remainingMs - recordingMs(remainingMs);
    const request = asHttpRequest(event);
    if (request) {
      try {
        const answered = await answerOfEndpoint(request, remainingMs);
        if (answered) return answered;
        const { httpToken, httpBudgetMs } = settingsForHttp();
        const invocation = parseHttpRequest(request, job, httpToken);
        const budgetMs = Math.min(workMs, httpBudgetMs);
        return respondToRun(await run(invocation, deadlineIn(systemClock, budgetMs), recordBy));
      } catch (thrown) {
        const error = toNightshiftError(thrown);
        log.warn('HTTP call refused', { error: error.describe() });
        return respondToError(error);
      }
    }

    try {
      const invocation = parseEvent(event, job, context.awsRequestId);
      if ('ignored' in invocation) {
        log.info('Event ignored', { reason: invocation.ignored });
        return invocation;
      }
      const result = await run(invocation, deadlineIn(systemClock, workMs), recordBy);
      if (result.error) throw result.error;
      return result.run;
    } catch (thrown) {
      const error = toNightshiftError(thrown);
      log.error('Invocation failed', { error: error.describe() });
      throw error;
    }
  };
}
