import { describe, expect, it } from 'vitest';
import { asHttpRequest } from '../../functions/_shared/api-gateway.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { parseHttpRequest, respondToError, respondToRun } from '../../functions/_shared/http.ts';
import type { RunDocument } from '../../functions/_shared/ledger.ts';
import type { RunResult } from '../../functions/_shared/run-types.ts';
import { job } from '../../functions/retention-purge/job.ts';
import { httpRequest, ruleEvent, schedulerInput, snsAlarm } from '../support/events.ts';

const token = 'open-sesame-7f3a';

function parse(options: Parameters<typeof httpRequest>[0], configured: string | undefined = token) {
  const request = asHttpRequest(httpRequest(options));
  if (!request) throw new Error('Not recognised as an HTTP request.');
  return parseHttpRequest(request, job, configured);
}

function refusalOf(run: () => unknown): NightshiftError {
  try {
    run();
  } catch (error) {
    if (error instanceof NightshiftError) return error;
  }
  throw new Error('The request was not refused.');
}

describe('an HTTP request', () => {
  it('is told from every other event', () => {
    expect(asHttpRequest(httpRequest())).toBeDefined();
    for (const event of [schedulerInput(), ruleEvent(), snsAlarm(), {}, null, undefined, 'POST']) {
      expect(asHttpRequest(event)).toBeUndefined();
    }
    // Payload format 1.0, which this does not read.
    expect(asHttpRequest({ ...httpRequest(), version: '1.0' })).toBeUndefined();
  });

  it('is a run asked for by its request id, without a key', () => {
    expect(parse({ token, body: { dryRun: true } })).toEqual({
      trigger: 'http',
      requestedBy: httpRequest().requestContext.requestId,
      input: { dryRun: true },
    });
  });

  it('may carry a key of its own', () => {
    const headers = { 'idempotency-key': 'nightly-7' };
    expect(parse({ token, headers })).toMatchObject({ idempotencyKey: 'nightly-7' });
    expect(parse({ token, headers: { 'Idempotency-Key': 'nightly-7' } })).toMatchObject({
      idempotencyKey: 'nightly-7',
    });
    expect(parse({ token, headers: { 'idempotency-key': '' } })).not.toHaveProperty(
      'idempotencyKey',
    );
  });
});

describe('the token', () => {
  it.each([
    ['as API Gateway sends it', { authorization: `Bearer ${token}` }],
    ['in lower case', { authorization: `bearer ${token}` }],
    ['in upper case', { AUTHORIZATION: `BEARER ${token}` }],
    ['after several spaces', { authorization: `Bearer   ${token}` }],
  ])('opens %s', (_, headers) => {
    expect(parse({ headers })).toMatchObject({ trigger: 'http' });
  });

  it.each([
    ['missing', {}],
    ['a scheme and spaces', { authorization: 'Bearer   ' }],
    ['without a scheme', { authorization: token }],
    ['under another scheme', { authorization: `Basic ${token}` }],
    ['wrong', { authorization: 'Bearer open-sesame-7f3b' }],
    ['a beginning of it', { authorization: `Bearer ${token.slice(0, -1)}` }],
    ['it and more', { authorization: `Bearer ${token}x` }],
    ['in another header', { 'x-api-key': token }],
  ])('does not open when it is %s', (_, headers) => {
    const error = refusalOf(() => parse({ headers }));
    expect(error.code).toBe('NS401');
    expect(error.hint).toBe('Send the header Authorization: Bearer <NIGHTSHIFT_HTTP_TOKEN>.');
    expect(JSON.stringify(error.describe())).not.toContain('sesame');
  });

  const presented = [{}, { authorization: 'Bearer ' }, { authorization: `Bearer ${token}` }];
  it.each([undefined, ''])('configured as %j is none: every call is refused', (none) => {
    for (const headers of presented) {
      const request = asHttpRequest(httpRequest({ headers }));
      if (!request) throw new Error('Not recognised.');
      const error = refusalOf(() => parseHttpRequest(request, job, none));
      expect(error.code).toBe('NS401');
      expect(error.hint).toMatch(/No token is configured.*set NIGHTSHIFT_HTTP_TOKEN/);
    }
  });

  it('is asked for before anything is said about routes or bodies', () => {
    expect(refusalOf(() => parse({ path: '/elsewhere' })).code).toBe('NS401');
    expect(refusalOf(() => parse({ body: '{' })).code).toBe('NS401');
    expect(refusalOf(() => parse({ body: 'x'.repeat(70_000) })).code).toBe('NS401');
  });
});

describe('the route', () => {
  it('is the same behind a stage', () => {
    expect(parse({ token, stage: 'dev' })).toMatchObject({ trigger: 'http' });
  });

  it.each([
    ['GET', '/jobs/retention-purge/runs'],
    ['post', '/jobs/retention-purge/runs'],
    ['POST', '/jobs/view-refresh/runs'],
    ['POST', '/jobs/retention-purge/runs/1'],
    ['POST', '/other/jobs/retention-purge/runs'],
  ])('%s %s is none', (method, path) => {
    const error = refusalOf(() => parse({ token, method, path }));
    expect(error).toMatchObject({ code: 'NS404', message: `There is no ${method} ${path}` });
    expect(error.hint).toBe('Start a run with POST /jobs/retention-purge/runs.');
  });
});

describe('the body', () => {
  it.each([
    ['left out', undefined],
    ['empty', ''],
    ['blank', ' \n '],
    ['an empty object', '{}'],
  ])('%s asks for a run with nothing special', (_, body) => {
    expect(parse({ token, body })).toMatchObject({ input: {} });
  });

  it('may come in base64', () => {
    const body = { only: ['public."Naïve-表"'] };
    expect(parse({ token, body, base64: true })).toMatchObject({ input: body });
  });

  it.each(['{"dryRun":true', 'dryRun=true', '\u0000'])('that is no JSON is refused: %j', (body) => {
    for (const base64 of [false, true]) {
      const error = refusalOf(() => parse({ token, body, base64 }));
      expect(error).toMatchObject({ code: 'NS400', message: 'The body is not valid JSON' });
      expect(error.hint).toContain('{"dryRun":true');
    }
  });

  const limit = 64 * 1024;
  it.each([false, true])('may be 64 KB and no more; base64: %s', (base64) => {
    const body = (bytes: number) => JSON.stringify({ only: ['x'.repeat(bytes - 13)] });
    expect(body(limit)).toHaveLength(limit);
    expect(parse({ token, body: body(limit), base64 })).toHaveProperty('input');
    const error = refusalOf(() => parse({ token, body: body(limit + 1), base64 }));
    expect(error).toMatchObject({ code: 'NS413', message: 'The body is larger than 64 KB' });
  });

  it('is measured in bytes, not in letters', () => {
    const body = JSON.stringify({ only: ['表'.repeat(limit / 3)] });
    expect(body.length).toBeLessThan(limit);
    expect(refusalOf(() => parse({ token, body })).code).toBe('NS413');
  });
});

const run = (over: Partial<RunDocument> = {}): RunDocument => ({
  id: '3f0e1d2c-4b5a-4968-8776-655443322110',
  job: 'retention-purge',
  trigger: 'http',
  dryRun: false,
  status: 'succeeded',
  requestedBy: null,
  cancelRequestedAt: null,
  cancelRequestedBy: null,
  attempt: 1,
  fence: 1,
  input: {},
  startedAt: '2026-01-01T02:00:00+00:00',
  finishedAt: '2026-01-01T02:00:01+00:00',
  progress: {},
  report: { rowsPurged: 3 },
  error: null,
  ...over,
});

function read(response: ReturnType<typeof respondToRun>) {
  return { ...response, body: JSON.parse(response.body ?? '') as Record<string, unknown> };
}
const respond = (result: Partial<RunResult> = {}) =>
  read(respondToRun({ outcome: 'started', run: run(), ...result }));

describe('the response to a run', () => {
  it.each(['succeeded', 'partial', 'interrupted'] as const)(
    'that %s is 200 with the report',
    (status) => {
      expect(respond({ run: run({ status }) })).toMatchObject({
        statusCode: 200,
        headers: { 'content-type': 'application/json' },
        body: { runId: run().id, status, duplicate: false, report: { rowsPurged: 3 }, error: null },
      });
    },
  );

  it('that goes on is 202 with the id to look for', () => {
    expect(respond({ run: run({ status: 'continued' }) })).toMatchObject({
      statusCode: 202,
      body: { runId: run().id, status: 'continued' },
    });
    expect(respond({ outcome: 'duplicate', run: run({ status: 'running' }) })).toMatchObject({
      statusCode: 202,
      body: { duplicate: true, status: 'running' },
    });
  });

  it('that was made before is that run, and says so', () => {
    expect(respond({ outcome: 'duplicate' })).toMatchObject({
      statusCode: 200,
      body: { duplicate: true, report: { rowsPurged: 3 } },
    });
  });

  it('that another one kept from starting is a 409 that names it, with what to do', () => {
    const message = 'Another run of this job is under way.';
    const report = { reason: 'overlap', message, runId: 'the-other' };
    const skipped = { outcome: 'skipped', run: run({ status: 'skipped', report }) } as const;
    const other = run({ id: 'the-other', status: 'running' });
    expect(respond({ ...skipped, other })).toMatchObject({
      statusCode: 409,
      headers: { 'content-type': 'application/problem+json' },
      body: {
        code: 'NS409',
        title: message,
        detail: 'It is run the-other: nothing done yet.',
        runId: run().id,
        hint: expect.stringContaining('POST /runs/the-other/cancel'),
      },
    });
    // It has been trimmed, or the database does not answer any more.
    expect(respond(skipped).body.hint).toBe('Try again when it has ended.');
  });

  it('that the pause kept from starting is a 428 that says how to go on', () => {
    const report = { reason: 'paused', message: 'Nightshift is paused: moving house.' };
    const response = respond({ outcome: 'skipped', run: run({ status: 'skipped', report }) });
    expect(response).toMatchObject({
      statusCode: 428,
      body: { code: 'NS428', title: 'Nightshift is paused: moving house.', runId: run().id },
    });
    expect(response.body.hint).toContain('nightshift.unpause()');
  });

  it.each([
    ['failed', 'started'],
    ['failed', 'duplicate'],
    ['lost', 'duplicate'],
    // The run is as it should be; what came after it is not.
    ['continued', 'started'],
  ] as const)('that %s, and was %s, is its problem, with the run', (status, outcome) => {
    const error = new NightshiftError('NS428', 'Too much', { detail: 'All of it', hint: 'Force' });
    const response = respond({ outcome, run: run({ status }), error });
    expect(response).toMatchObject({
      statusCode: 428,
      headers: { 'content-type': 'application/problem+json' },
      body: { title: 'Too much', detail: 'All of it', hint: 'Force', runId: run().id },
    });
    expect(response.body).not.toHaveProperty('report');
  });
});

describe('the response to an error', () => {
  const problem = (error: NightshiftError) => read(respondToError(error));

  it('is a problem as RFC 9457 has it', () => {
    const error = new NightshiftError('NS404', 'No policy', { detail: 'For it', hint: 'Add one' });
    expect(problem(error)).toEqual({
      statusCode: 404,
      headers: { 'content-type': 'application/problem+json' },
      body: {
        type: 'urn:nightshift:problem:NS404',
        title: 'No policy',
        status: 404,
        detail: 'For it',
        hint: 'Add one',
        code: 'NS404',
      },
    });
  });

  it('leaves out what there is not, the cause above all', () => {
    const error = new NightshiftError('NS500', 'Oh', { cause: new Error('row 7f3a') });
    expect(Object.keys(problem(error).body)).toEqual(['type', 'title', 'status', 'code']);
    expect(JSON.stringify(problem(error))).not.toContain('7f3a');
  });

  it.each([
    ['NS400', 400],
    ['NS413', 413],
    ['NS428', 428],
    ['NS500', 500],
    ['NS502', 502],
    ['NS503', 503],
    ['23505', 500],
    // The gateway refuses our key: nothing that the caller could mend.
    ['HTTP401', 500],
    ['PGRST301', 500],
  ])('%s is a %i', (code, status) => {
    const response = problem(new NightshiftError(code, ''));
    expect(response.statusCode).toBe(status);
    expect(response.body.status).toBe(status);
    expect(response.headers).toHaveProperty('content-type', 'application/problem+json');
  });

  it('that may pass is a 503', () => {
    expect(problem(new NightshiftError('57014', '', { retryable: true })).statusCode).toBe(503);
    expect(problem(new NightshiftError('PGRST001', '', { retryable: true })).statusCode).toBe(503);
  });

  it('names the way to authenticate with a 401, and with no other', () => {
    expect(problem(new NightshiftError('NS401', '')).headers).toHaveProperty(
      'www-authenticate',
      'Bearer',
    );
    expect(problem(new NightshiftError('NS404', '')).headers).not.toHaveProperty(
      'www-authenticate',
    );
  });
});
