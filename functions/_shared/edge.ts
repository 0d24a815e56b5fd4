import * as z from 'zod';
import { isolateMsLeft, workMsOf } from './budget.ts';
import { limitCalls } from './call-limit.ts';
import { type Deadline, deadlineIn, systemClock } from './clock.ts';
import { createEdgeLog, createEdgeMetrics } from './edge-log.ts';
import { type EdgeSettings, readEdgeSettings } from './edge-settings.ts';
import type { Endpoint } from './endpoint.ts';
import { toNightshiftError } from './errors.ts';
import { type HttpRequest, type HttpResponse, maxBodyBytes } from './http.ts';
import { createHttpApi } from './http-api.ts';
import type { Invocation } from './invocation.ts';
import type { Job } from './job.ts';
import { createRpc } from './rpc.ts';
import { runJob } from './run.ts';
import { createTeller, type Teller } from './tell-troubles.ts';
import { takeWake } from './wake.ts';
import { createWebhook } from './webhook.ts';

/** What Edge Runtime has of Deno. */
declare const Deno: {
  env: { toObject(): Record<string, string> };
  serve(handler: (request: Request) => Promise<Response>): unknown;
};

/** It ends an isolate that has answered, unless it is told what that still works on. Plain Deno does not. */
declare const EdgeRuntime: { waitUntil(work: Promise<unknown>): void } | undefined;

/** The wall clock of an isolate runs from here, and not from the request that it works for. */
const bootedMs = systemClock.nowMs();

/** Before the isolate is ended nothing is waited for any more. */
const reserveMs = 5_000;

/** An isolate has two seconds of CPU time, of which a call costs between one and two thousandths, and the boot a tenth. */
const mostCalls = 500;

/** Makes the handler of a job as an Edge Function: the same routes, answers and errors as over HTTP on AWS. */
export function createEdgeHandler<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  {
    endpoints = [],
    environment,
  }: { endpoints?: readonly Endpoint[]; environment: Record<string, string | undefined> },
): (request: Request) => Promise<Response> {
  const log = createEdgeLog(job.name);
  const metrics = createEdgeMetrics(job.name, log);
  let settings: EdgeSettings | undefined;
  let teller: Teller | undefined;

  function readOnce(): EdgeSettings {
    settings ??= readEdgeSettings(environment);
    return settings;
  }

  async function run(invocation: Invocation, deadline: Deadline, recordBy: Deadline) {
    const { supabase, webhook } = readOnce();
    const rpc = createRpc(supabase, deadline);
    if (webhook)
      teller ??= createTeller(createWebhook(webhook, systemClock), supabase.url, systemClock);
    try {
      const limited = limitCalls(rpc, deadline, mostCalls);
      const tools = { ...limited, clock: systemClock, recordBy, log, metrics, teller };
      return await runJob(job, invocation, tools);
    } finally {
      metrics.flush();
    }
  }

  function budgetNow() {
    const remainingMs = isolateMsLeft(systemClock.nowMs() - bootedMs) - reserveMs;
    return { remainingMs, workMs: workMsOf(remainingMs) };
  }

  /** Runs for as long as the isolate lives, and has the database send for another where work is left. */
  async function workOn(invocation: Invocation): Promise<void> {
    const { remainingMs, workMs } = budgetNow();
    const recordBy = deadlineIn(systemClock, remainingMs);
    try {
      const { run: ended } = await run(invocation, deadlineIn(systemClock, workMs), recordBy);
      if (ended.status !== 'continued') return;
      await createRpc(readOnce().supabase, recordBy).call('send_wakes', {}, z.number());
    } catch (thrown) {
      log.error('What the function was woken for is left to the next wake', {
        error: toNightshiftError(thrown).describe(),
      });
    }
  }

  const wakes = takeWake(job, (invocation) => {
    const work = workOn(invocation);
    if (typeof EdgeRuntime !== 'undefined') EdgeRuntime.waitUntil(work);
  });
  const answerHttp = createHttpApi(job, {
    endpoints: [...endpoints, wakes],
    settings: readOnce,
    log,
    run,
  });

  return async (request) => toResponse(await answerHttp(await toHttpRequest(request), budgetNow()));
}

/** What the entry of an Edge Function calls. */
export function serve<Input extends { dryRun: boolean }, Report>(
  job: Job<Input, Report>,
  endpoints: readonly Endpoint[] = [],
): void {
  Deno.serve(createEdgeHandler(job, { endpoints, environment: Deno.env.toObject() }));
}

async function toHttpRequest(request: Request): Promise<HttpRequest> {
  // Supabase puts the name of the function, which whoever deploys may choose, before the path.
  const path = new URL(request.url).pathname.replace(/^\/[^/]*/, '');
  return {
    method: request.method,
    path: path || '/',
    headers: Object.fromEntries(request.headers),
    body: await readBody(request),
    requestId: request.headers.get('sb-request-id') ?? crypto.randomUUID(),
    source: request.headers.get('x-forwarded-for') ?? '',
  };
}

/** Of a body that is too large no more than shows that it is. */
async function readBody(request: Request): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = request.body?.getReader();
  while (reader && bytes <= maxBodyBytes) {
    const { value } = await reader.read();
    if (!value) break;
    chunks.push(value);
    bytes += value.byteLength;
  }
  if (bytes > maxBodyBytes) await reader?.cancel();
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

function toResponse({ statusCode, headers, body }: HttpResponse): Response {
  return new Response(body, { status: statusCode, headers });
}
