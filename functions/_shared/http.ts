import * as z from 'zod';
import { httpStatusOf, NightshiftError } from './errors.ts';
import type { Invocation } from './invocation.ts';
import { inputHint, type JobInterface } from './job.ts';
import type { RunDocument } from './ledger.ts';
import { parseJson } from './parse-json.ts';
import { progressInWords } from './progress.ts';
import type { RunResult } from './run-types.ts';
import { bearerOf, isSameToken, type Tokens } from './tokens.ts';

/** More than any job's input needs. A mistake is refused before it costs memory. */
export const maxBodyBytes = 64 * 1024;

/** A request, whichever home it came to. */
export interface HttpRequest {
  method: string;
  path: string;
  /** Their names in lower case. */
  headers: Record<string, string | undefined>;
  body: Uint8Array;
  requestId: string;
  /** The address of whoever sent it, as far as is known. */
  source: string;
}

export interface HttpResponse {
  statusCode: number;
  headers: Record<string, string>;
  body: string;
}

/** Authenticates and reads `POST /jobs/<job>/runs`. Throws NS400, NS401, NS404 or NS413. */
export function parseHttpRequest(
  request: HttpRequest,
  job: JobInterface,
  token: string | undefined,
): Invocation {
  requireTrust(request, token);

  const route = `/jobs/${job.name}/runs`;
  if (!asksFor(request, 'POST', route)) {
    throw new NightshiftError('NS404', `There is no ${request.method} ${request.path}`, {
      hint: `Start a run with POST ${route}.`,
    });
  }

  if (request.body.byteLength > maxBodyBytes) {
    throw new NightshiftError('NS413', 'The body is larger than 64 KB', {
      hint: inputHint(job),
    });
  }
  const text = new TextDecoder().decode(request.body).trim();
  const input = text === '' ? {} : parseJson(text);
  if (input === undefined) {
    throw new NightshiftError('NS400', 'The body is not valid JSON', {
      hint: inputHint(job),
    });
  }
  const idempotencyKey = request.headers['idempotency-key'];
  return {
    trigger: 'http',
    requestedBy: request.requestId,
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
  if (request.method !== method) return undefined;
  const given = request.path.split('/');
  const wanted = route.split('/');
  const place = wanted.indexOf('{id}');
  const fits =
    given.length === wanted.length &&
    wanted.every((part, n) => (n === place ? given[n] !== '' : part === given[n]));
  return fits ? { id: given[place] ?? '' } : undefined;
}

/** Whether the caller sent the token. A wrong token is refused with NS401. */
export function isTrusted(request: HttpRequest, token: string | undefined): boolean {
  const { authorization } = request.headers;
  if (authorization === undefined) return false;
  requireToken(authorization, token);
  return true;
}

export function requireTrust(request: HttpRequest, token: string | undefined): void {
  requireToken(request.headers.authorization, token);
}

/** For what may be read with the token that reads, and with the one that steers as well. */
export function requireReader(request: HttpRequest, tokens: Tokens): void {
  const presented = bearerOf(request.headers.authorization);
  // Both are compared, whichever it is.
  const fits = [tokens.statusToken, tokens.httpToken].map((token) => isSameToken(presented, token));
  if (fits.includes(true)) return;
  throw new NightshiftError('NS401', 'A valid bearer token is needed', {
    hint:
      tokens.statusToken || tokens.httpToken
        ? 'Send the header Authorization: Bearer <NIGHTSHIFT_STATUS_TOKEN>, or <NIGHTSHIFT_HTTP_TOKEN>.'
        : 'No token is configured, so nobody can read this: set NIGHTSHIFT_STATUS_TOKEN.',
  });
}

function requireToken(authorization: string | undefined, token: string | undefined): void {
  if (!isSameToken(bearerOf(authorization), token)) {
    throw new NightshiftError('NS401', 'A valid bearer token is needed', {
      hint: !token
        ? 'No token is configured, so every HTTP call is refused: set NIGHTSHIFT_HTTP_TOKEN.'
        : 'Send the header Authorization: Bearer <NIGHTSHIFT_HTTP_TOKEN>.',
    });
  }
}

/** 200 when the run has ended, 202 when it continues, and a problem when it failed or did not start. */
export function respondToRun({ outcome, run, error, other }: RunResult): HttpResponse {
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
export function respondToError(error: NightshiftError, run?: RunDocument): HttpResponse {
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

export function json(statusCode: number, contentType: string, body: unknown): HttpResponse {
  return { statusCode, headers: { 'content-type': contentType }, body: JSON.stringify(body) };
}
