import { describe, expect, it } from 'vitest';
import {
  fromRpcFailure,
  NightshiftError,
  nothingDone,
  type RpcFailure,
  stopsRun,
  toNightshiftError,
} from '../../functions/_shared/errors.ts';
import { unreachable } from '../../functions/_shared/unreachable.ts';

const secret = 'ada@example.org';
const host = 'abcd.supabase.co';

function failure(code: string, status = 500, over: Partial<RpcFailure> = {}): NightshiftError {
  return fromRpcFailure(
    'purge_batch',
    {
      code,
      message: 'something went wrong',
      details: `Failing row contains (1, ${secret}).`,
      hint: `Try ${secret}.`,
      ...over,
    },
    status,
    host,
  );
}
const text = (error: NightshiftError) => JSON.stringify(error.describe());

describe('what may pass', () => {
  it.each([
    ['serialization failure', '40001', 500],
    ['deadlock', '40P01', 500],
    ['lock timeout', '55P03', 500],
    ['statement timeout', '57014', 500],
    ['admin shutdown', '57P01', 503],
    ['crash shutdown', '57P02', 503],
    ['cannot connect now', '57P03', 503],
    ['too many connections', '53300', 503],
    ['connection failure', '08006', 503],
    ['gateway without a connection', 'PGRST000', 503],
    ['gateway that lost its connection', 'PGRST001', 503],
    ['gateway that reloads the schema', 'PGRST002', 503],
    ['gateway whose pool is empty', 'PGRST003', 504],
    ['rate limit', '', 429],
  ])('is tried again: %s', (_, code, status) => {
    expect(failure(code, status).retryable).toBe(true);
  });

  it.each([
    ['unique violation', '23505', 409],
    ['raise exception', 'P0001', 400],
    ['no privilege', '42501', 403],
    ['read-only transaction', '25006', 405],
    ['object in use', '55006', 500],
    ['database dropped', '57P04', 500],
    ['schema not exposed', 'PGRST106', 406],
    ['function not found', 'PGRST202', 404],
    ['wrong key', 'PGRST301', 401],
    ['unauthorized', '', 401],
    ['forbidden', '', 403],
    ['lease lost', 'NS409', 400],
    ['brake', 'NS428', 400],
  ])('is not: %s', (_, code, status) => {
    expect(failure(code, status).retryable).toBe(false);
  });
});

describe('what is said of a failed call', () => {
  // Whatever Postgres means by a code, a trigger may raise it with a text of its own.
  it.each(['23505', 'P0001', 'XX000', '42P01', '55000', '40001', '53100', '08006'])(
    'of %s is only its code, because the message may quote a row',
    (code) => {
      const message = `duplicate key value: Key (email)=(${secret}) already exists`;
      expect(failure(code, 400, { message }).describe()).toEqual({
        code,
        message: `purge_batch failed with ${code}; the Postgres log has the message`,
      });
    },
  );

  it.each(['PGRST102', 'PGRST203', 'PGRST003'])(
    'of %s is its code alone, since a trigger can speak in the name of the gateway',
    (code) => {
      expect(failure(code).describe()).toEqual({
        code,
        message: `purge_batch failed with ${code}, an error of PostgREST`,
      });
    },
  );

  it('of an error of ours is all of it', () => {
    const ours = { message: 'No policy', details: 'Policies exist for: a', hint: 'Name it' };
    expect(failure('NS404', 400, ours).describe()).toEqual({
      code: 'NS404',
      message: 'No policy',
      detail: 'Policies exist for: a',
      hint: 'Name it',
    });
    expect(failure('NS409', 400, { ...ours, details: null, hint: null }).describe()).toEqual({
      code: 'NS409',
      message: 'No policy',
    });
  });
});

it('says of a run that did nothing why, naming each subject once', () => {
  const { detail } = nothingDone('No view could be refreshed', [
    { subject: 'public.a', why: 'It is busy' },
    {
      subject: 'public.b',
      why: '',
      error: { code: 'NS422', message: 'public.b: It has no index' },
    },
  ]);
  expect(detail).toBe('public.a: It is busy. public.b: It has no index');
});

describe('a project that does not answer', () => {
  const of = (failure: string) => unreachable('https://abcd.supabase.co', failure);

  it.each([
    ['TypeError: fetch failed', 'fetch failed'],
    ['TypeError: fetch failed (connect ECONNREFUSED 10.0.0.7:5432)', 'nothing listens there'],
    ['TimeoutError: The operation was aborted due to timeout', 'did not answer in time'],
    ['AbortError: This operation was aborted', 'AbortError'],
    ['getaddrinfo ENOTFOUND other.supabase.co', 'there is no host of that name'],
    ['getaddrinfo EAI_AGAIN other.supabase.co', 'no name can be looked up'],
    ['Caused by: Error: certificate has expired (CERT_HAS_EXPIRED)', 'cannot be verified'],
    [
      'TypeError: fetch failed\n\nCaused by: ConnectTimeoutError: 10.0.0.7 (UND_ERR_CONNECT_TIMEOUT)',
      'UND_ERR_CONNECT_TIMEOUT: it did not answer in time',
    ],
    ['who knows', 'the connection failed'],
  ])('is named by its host, with the kind of failure: %s', (failure, detail) => {
    const error = of(failure);
    expect(error).toMatchObject({ code: 'NS503', retryable: true });
    expect(error.message).toBe('Supabase could not be reached at abcd.supabase.co');
    expect(error.detail).toContain(detail);
    expect(error.hint).toContain('SUPABASE_URL');
    expect(text(error)).not.toMatch(/10\.0\.0\.7|other|list_runs/);
  });
});

describe('an answer that is not of PostgREST', () => {
  const page = `<html><body>${secret}</body></html>`;
  const answer = (status: number, over: object = {}) =>
    fromRpcFailure('purge_batch', { message: page, ...over }, status, host);

  it.each([
    [500, 'something before it failed'],
    [502, 'something before it failed'],
    [503, 'something before it failed'],
    [504, 'something before it failed'],
    ...[520, 521, 522, 523, 524].map(
      (status) => [status, 'got no answer from the project'] as const,
    ),
    [525, 'TLS'],
    [526, 'TLS'],
    [527, 'something before it failed'],
    [530, 'does not find the project'],
    [540, 'the project is paused'],
    [544, 'did not answer in time'],
    [404, 'nothing answers at this address'],
    [429, 'too many calls'],
    [200, 'something else answered in its place'],
  ] as const)('with HTTP %i passes, and is told in words of its own', (status, says) => {
    const error = answer(status);
    expect(error).toMatchObject({ code: 'NS503', retryable: true });
    expect(error.message).toMatch(/^Supabase could not be reached: /);
    expect(error.message).toContain(says);
    expect(error.detail).toContain(`at ${host} `);
    expect(error.detail).toContain(`HTTP ${status}`);
    expect(text(error)).not.toMatch(/Postgres log|html|ada@/);
    expect(error.hint).toBeTruthy();
  });

  it('is known by its code, whatever else its JSON says', () => {
    for (const code of [undefined, '', 522, 'error_522', 'unauthorized', '1016']) {
      expect(answer(522, { code }).code).toBe('NS503');
    }
  });

  it.each([400, 403, 407, 451])('with HTTP %i would be the same the next time', (status) => {
    const error = answer(status);
    expect(error).toMatchObject({ code: `HTTP${status}`, retryable: false });
    expect(error.message).toContain('something before it refused the call');
    expect(text(error)).not.toMatch(/Postgres log|html|ada@/);
  });
});

describe('the fix is in the hint', () => {
  it.each([
    ['PGRST106', 406, 'The schema nightshift is not exposed', 'api.schemas'],
    ['PGRST202', 404, 'A Nightshift function is missing', 'nightshift -- migrate'],
    ['PGRST301', 401, 'Supabase refused the API key', 'SUPABASE_SECRET_KEY'],
    ['PGRST303', 401, 'Supabase refused the API key', 'SUPABASE_SECRET_KEY'],
    ['', 401, 'Supabase refused the API key', 'SUPABASE_SECRET_KEY'],
    ['42501', 403, 'Postgres denied permission', 'service_role'],
    ['42501', 401, 'Postgres denied permission', 'service_role'],
    ['25006', 405, 'read-only', 'disk space'],
    ['57014', 500, 'statement timeout', 'missing indexes'],
    ['55P03', 500, 'A lock was not to be had', 'The next run tries again'],
    ['53200', 500, 'no room for more locks', 'raise max_locks_per_transaction'],
    ['40P01', 500, 'A deadlock', 'The next run tries again'],
  ])('of %s with HTTP %i, in a sentence of our own', (code, status, message, hint) => {
    const error = failure(code, status, { message: `Denied to ${secret}` });
    expect(error.code).toBe(code || `HTTP${status}`);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
    expect(text(error)).not.toContain(secret);
  });
});

describe('an error of ours', () => {
  it('shows neither its stack nor its cause', () => {
    const error = new NightshiftError('NS500', 'Oh', { cause: new Error(secret) });
    expect(error.describe()).toEqual({ code: 'NS500', message: 'Oh' });
  });

  it('passes through as it is', () => {
    const error = new NightshiftError('NS404', 'No policy');
    expect(toNightshiftError(error)).toBe(error);
  });

  it.each([
    [new TypeError('x is not a function'), 'x is not a function'],
    ['thrown text', 'thrown text'],
    [undefined, 'undefined'],
  ])('is made of anything else that is thrown: %s', (thrown, message) => {
    const error = toNightshiftError(thrown);
    expect(error).toMatchObject({ code: 'NS500', message, retryable: false, cause: thrown });
    expect(error.hint).toContain('defect in Nightshift');
  });
});

describe('an error', () => {
  it('stops a run when the lease is lost or Supabase is gone, and for no lesser reason', () => {
    for (const code of ['NS409', 'NS503', 'PGRST001', '08006']) {
      expect(stopsRun(new NightshiftError(code, ''))).toBe(true);
    }
    for (const code of ['NS422', 'NS404', '57014', '42501']) {
      expect(stopsRun(new NightshiftError(code, ''))).toBe(false);
    }
  });
});
