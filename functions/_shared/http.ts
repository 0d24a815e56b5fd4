import { createHash, timingSafeEqual } from 'node:crypto';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import * as z from 'zod';
import { httpStatusOf, NightshiftError } from './errors.ts';
import type { Invocation } from './invocation.ts';
import { parseJson } from './invocation.ts';
import { inputHint, type JobInterface } from './job.ts';
import type { RunDocument } from './ledger.ts';
import { progressInWords } from './progress.ts';
import type { RunResult } from './run-types.ts';

/** More than any job's input needs. A mistake is refused before it costs memory. */
const maxBodyBytes = 64 * 1024;

const httpRequest = z.object({
  version: z.literal('2.0'),
  headers: z.record(z.string(), z.string().optional()).default({}),
  body: z.string().nullish(),
  isBase64Encoded: z.boolean().default(false),
  requestContext: z.object({
    http: z.object({ method: z.string(), path: z.string() }),
    requestId: z.string().default('unknown'),
    stage: z.string().default('$default'),
  }),
});

export type HttpRequest = z.output<typeof httpRequest>;

export function asHttpRequest(event: unknown): HttpRequest | undefined {
  return httpRequest.safeParse(event).data;
}

/** Authenticates and reads `POST /jobs/<job>/runs`. Throws NS400, NS401, NS404 or NS413. */
export function parseHttpRequest(
  request: HttpRequest,
  job: JobInterface,
  token: string | undefined,
): Invocation {
  requireTrust(request, token);
  const headers = headersOf(request);

  const route = `/jobs/${job.name}/runs`;
  if (!asksFor(request, 'POST', route)) {
    const { method, path } = request.requestContext.http;
    throw new NightshiftError('NS404', `There is no ${method} ${path}`, {
      hint: `Start a run with POST ${route}.`,
    });
  }

  const body = Buffer.from(request.body ?? '', request.isBase64Encoded ? 'base64' : 'utf8');
  if (body.byteLength > maxBodyBytes) {
    throw new NightshiftError('NS413', 'The body is larger than 64 KB', {
      hint: inputHint(job),
    });
  }
  const text = body.toString('utf8').trim();
  const input = text === '' ? {} : parseJson(text);
  if (input === undefined) {
    throw new NightshiftError('NS400', 'The body is not valid JSON', {
      hint: inputHint(job),
    });
  }
  const idempotencyKey = headers['idempotency-key'];
  return {
    trigger: 'http',
    requestedBy: request.requestContext.requestId,
    ...(idempotencyKey ? { idempotencyKey } : {}),
    input,
  };
}

/** Whether the request is for a route, which may have `{id}` for one part of its path: what it has there, or nothing. */
export function asksFor(
  request: HttpRequest,
  method: string,
  route: string,
): { id: string } | undefined {
  const { http, stage } = request.requestContext;
  if (http.method !== method) return undefined;
  // API Gateway prefixes the path with any stage other than $default.
  const path = http.path.startsWith(`/${stage}/`) ? http.path.slice(stage.length + 1) : http.path;
  const given = path.split('/');
  const wanted = route.split('/');
  const place = wanted.indexOf('{id}');
  const fits =
    given.length === wanted.length &&
    wanted.every((part, n) => (n === place ? given[n] !== '' : part === given[n]));
  return fits ? { id: given[place] ?? '' } : undefined;
}

/** Whether the caller sent the token. A wrong token is refused with NS401. */
export function isTrusted(request: HttpRequest, token: string | undefined): boolean {
  const { authorization } = headersOf(request);
  if (authorization === undefined) return false;
  requireToken(authorization, token);
  return true;
}

function headersOf({ headers }: HttpRequest): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

export function requireTrust(request: HttpRequest, token: string | undefined): void {
  requireToken(headersOf(request).authorization, token);
}

function requireToken(authorization: string | undefined, token: string | undefined): void {
  const presented = /^Bearer +(.+)$/i.exec(authorization ?? '')?.[1] ?? '';
  // Digests have the same length, so the comparison takes the same time whatever was presented.
  const same = timingSafeEqual(digest(presented), digest(token ?? ''));
  if (!token || !same) {
    throw new NightshiftError('NS401', 'A valid bearer token is needed', {
      hint: !token
        ? 'No token is configured, so every HTTP call is refused: set NIGHTSHIFT_HTTP_TOKEN.'
        : 'Send the header Authorization: Bearer <NIGHTSHIFT_HTTP_TOKEN>.',
    });
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** 200 when the run has ended, 202 when it continues, and a problem when it failed or did not start. */
export function respondToRun({
  outcome,
  run,
  error,
  other,
}: RunResult): APIGatewayProxyStructuredResultV2 {
  if (error) return respondToError(error, run);
  if (outcome === 'skipped') return respondToError(skipped(run, other), run);
  const continues = run.status === 'running' || run.status === 'continued';
  return json(continues ? 202 : 200, 'application/json', {
    runId: run.id,
    status: run.status,
    duplicate: outcome === 'duplicate',
    report: run.report,
    error: run.error,
  });
}

const skipReason = z.object({
  reason: z.enum(['overlap', 'paused']),
  message: z.string(),
});

function skipped(run: RunDocument, other: RunDocument | undefined): NightshiftError {
  const why = skipReason.safeParse(run.report).data;
  if (why?.reason === 'paused') {
    return new NightshiftError('NS428', why.message, {
      hint: 'select nightshift.unpause(); lets jobs run again.',
    });
  }
  return new NightshiftError('NS409', why?.message ?? 'Another run of this job is under way.', {
    detail: other && `It is run ${other.id}: ${progressInWords(other.progress)}.`,
    hint: other
      ? `Try again when it has ended; to end it: POST /runs/${other.id}/cancel.`
      : 'Try again when it has ended.',
  });
}

/** RFC 9457 problem details. */
export function respondToError(
  error: NightshiftError,
  run?: RunDocument,
): APIGatewayProxyStructuredResultV2 {
  const status = httpStatusOf(error);
  const response = json(status, 'application/problem+json', {
    type: `urn:nightshift:problem:${error.code}`,
    title: error.message,
    status,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    code: error.code,
    ...(run ? { runId: run.id } : {}),
  });
  if (status === 401) response.headers = { ...response.headers, 'www-authenticate': 'Bearer' };
  return response;
}

export function json(
  statusCode: number,
  contentType: string,
  body: unknown,
): APIGatewayProxyStructuredResultV2 {
  return { statusCode, headers: { 'content-type': contentType }, body: JSON.stringify(body) };
}
