import type { Context } from 'aws-lambda';
import { asHttpRequest } from './api-gateway.ts';
import { workMsOf } from './budget.ts';
import { createBus } from './bus.ts';
import { type Deadline, deadlineIn, systemClock } from './clock.ts';
import type { Direct, DirectOptions } from './direct.ts';
import type { Endpoint } from './endpoint.ts';
import { toNightshiftError } from './errors.ts';
import type { HttpResponse } from './http.ts';
import { createHttpApi } from './http-api.ts';
import { type Invocation, parseEvent } from './invocation.ts';
import type { Job } from './job.ts';
import { createLog } from './log.ts';
import { createMetrics } from './metrics.ts';
import { createRpc } from './rpc.ts';
import { runJob } from './run.ts';
import type { Bus } from './run-events.ts';
import type { RunResult } from './run-types.ts';
import { readSettings, type Settings } from './settings.ts';
import { createTeller, type Teller } from './tell-troubles.ts';
import { createWebhook } from './webhook.ts';

/** Before Lambda's own limit nothing is waited for any more. */
const reserveMs = 2_000;

type Answer = HttpResponse | RunResult['run'] | { ignored: string };

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
  const log = createLog(job.name);
  const metrics = createMetrics(job.name);
  let settings: Settings | undefined;
  let bus: Bus | undefined;
  let teller: Teller | undefined;

  function readOnce(): Settings {
    settings ??= readSettings(process.env);
    return settings;
  }

  async function run(
    invocation: Invocation,
    deadline: Deadline,
    recordBy: Deadline,
  ): Promise<RunResult> {
    const { supabase, databaseUrl, databaseCa, eventBus, webhook } = readOnce();
    if (eventBus) bus ??= createBus(eventBus);
    if (webhook)
      teller ??= createTeller(createWebhook(webhook, systemClock), supabase.url, systemClock);
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
        teller,
        ...(bus ? { bus } : {}),
      });
    } finally {
      metrics.flush();
    }
  }

  const answerHttp = createHttpApi(job, { endpoints, settings: readOnce, log, run });

  return async (event: unknown, context: Context): Promise<Answer> => {
    const remainingMs = context.getRemainingTimeInMillis() - reserveMs;
    const workMs = workMsOf(remainingMs);
    const request = asHttpRequest(event);
    if (request) return answerHttp(request, { remainingMs, workMs });

    try {
      const invocation = parseEvent(event, job, context.awsRequestId);
      if ('ignored' in invocation) {
        log.info('Event ignored', { reason: invocation.ignored });
        return invocation;
      }
      const recordBy = deadlineIn(systemClock, remainingMs);
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
