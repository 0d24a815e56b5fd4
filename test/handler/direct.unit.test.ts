import { afterEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { migrate } from '../../cli/installation/migrate.ts';
import { toConnectionError } from '../../functions/_shared/connection-errors.ts';
import { connectDirect } from '../../functions/_shared/direct.ts';
import {
  encryption,
  parseDatabaseUrl,
  requireAnswer,
} from '../../functions/_shared/postgres-client.ts';
import { endless } from '../support/deadline.ts';
import { startPooler } from '../support/pooler.ts';

const poolers: Awaited<ReturnType<typeof startPooler>>[] = [];
afterEach(async () => {
  for (const pooler of poolers.splice(0)) await pooler.close();
});

async function pooler(...args: Parameters<typeof startPooler>) {
  const started = await startPooler(...args);
  poolers.push(started);
  return started;
}

/** What becomes of a call over the direct connection that would take all night; nothing is tried again. */
const failureOf = (url: string, options = {}) =>
  connectDirect(url, endless(60_000), options)
    .call('list_runs', {}, z.unknown(), { timeoutMs: () => 1e9, retry: () => false })
    .catch((error: unknown) => error);

const fullPool = {
  code: 'XX000',
  message: 'max clients reached in session mode - in Session mode',
};

describe('the end of a direct connection is an error of its step', () => {
  it.each([
    [{ code: 'XX000', message: 'Tenant or user not found' }, /does not know the project/, false],
    [fullPool, /connections are all taken/, true],
    [{ code: '53300', message: 'sorry, too many clients already' }, /no connection slots/, true],
    [{ code: '28P01', message: 'password authentication failed' }, /refused the password/, false],
    [{ code: '28000', message: 'role "x" is not permitted to log in' }, /this user/, false],
    [{ code: '3D000', message: 'database "x" does not exist' }, /no database of that name/, false],
  ])('that says what %j means', async (refuses, says, retryable) => {
    const { url } = await pooler({ refuses });
    const error = await failureOf(url);
    expect(error).toMatchObject({
      code: 'NS502',
      message: expect.stringMatching(says),
      hint: expect.any(String),
      retryable,
    });
  });

  it.each([
    ['ENOTFOUND', 'NS422', /there is no host of that name/],
    ['EAI_AGAIN', 'NS503', /could not be reached/],
    ['ECONNREFUSED', 'NS503', /could not be reached/],
    ['ETIMEDOUT', 'NS503', /could not be reached/],
    ['EHOSTUNREACH', 'NS503', /could not be reached/],
    ['ENETUNREACH', 'NS503', /could not be reached/],
    ['CONNECT_TIMEOUT', 'NS503', /could not be reached/],
    ['ECONNRESET', 'NS503', /closed the connection/],
    ['EPIPE', 'NS503', /closed the connection/],
    ['CONNECTION_CLOSED', 'NS503', /closed the connection/],
  ])('is a slip only where the name does not exist: %s', (reason, code, says) => {
    const thrown = Object.assign(new Error('the other side is gone'), { code: reason });
    expect(toConnectionError(thrown, 'db.example')).toMatchObject({
      code,
      message: expect.stringMatching(says),
      retryable: false,
    });
  });

  it.each<[string, Parameters<typeof startPooler>[0]]>([
    ['with what PgBouncer says', { ends: { code: '08P01', message: 'query_wait_timeout' } }],
    ['without a word', 'closes'],
  ])('ended %s while it waited for one of the connections of a pooler', async (_, behaviour) => {
    const { url } = await pooler(behaviour);
    expect(await failureOf(url)).toMatchObject({
      code: 'NS502',
      message: expect.stringMatching(/closed it unanswered, as a pooler does that had none free/),
      hint: expect.stringContaining('raise the pool size'),
      retryable: true,
    });
    await expect(requireAnswer(url)).rejects.toMatchObject({ code: 'CLOSED_UNANSWERED' });
  });

  it('is told so where it waits to be let in', async () => {
    const { url } = await pooler({ refuses: { code: '08P01', message: 'query_wait_timeout' } });
    expect(await failureOf(url)).toMatchObject({
      message: expect.stringMatching(/had no free connection in time/),
      retryable: true,
    });
  });

  it('left waiting, and bounded though the statement might take days', async () => {
    const { url } = await pooler('waits');
    expect(await failureOf(url, { firstAnswerMs: 50 })).toMatchObject({
      code: 'NS502',
      message: expect.stringContaining('connections are all taken'),
    });
  });

  it('tries a full pooler again', async () => {
    const full = await pooler({ refuses: fullPool });
    const attempts: number[] = [];
    const retry = (_: unknown, attempt: number) => attempts.push(attempt) < 2;
    await connectDirect(full.url, endless(60_000))
      .call('list_runs', {}, z.unknown(), { timeoutMs: () => 1_000, retry })
      .catch(() => {});
    expect(full.startups).toHaveLength(2);
  });
});

describe('a connection string', () => {
  it.each([
    '?schema=public',
    '?pgbouncer=true&connection_limit=1',
    '?supa=base-pooler.x',
    '?sslmode=disable&sslrootcert=/x',
    '?sslaccept=strict&pool_timeout=0&channel_binding=require',
  ])('with %s of other clients reaches the database without it', async (query) => {
    const { url, startups } = await pooler('closes');
    await failureOf(`${url}${query}`);
    expect(startups[0]).toContain('user postgres');
    expect(startups[0]).not.toMatch(
      /schema|pgbouncer|connection_limit|supa|ssl|pool_timeout|channel/,
    );
  });

  it('keeps the options that Postgres takes', async () => {
    const { url, startups } = await pooler('closes');
    await failureOf(`${url}?options=reference%3Dabcd&schema=public`);
    expect(startups[0]).toContain('options reference=abcd');
  });

  it.each([
    ['postgres://u:100%@h/db', /has a % in it, which must be written as %25/],
    ['postgres://u:se%cret@h/db', /has a % in it.*%25/],
    ['postgres://u:se#cret@h/db', /has a # in it.*%23/],
    ['postgres://u:se/cret@h/db', /has a \/ in it.*%2F/],
    ['postgres://u:se@cret@h/db', /has a @ in it.*%40/],
    ['postgres://u:[YOUR-PASSWORD]@h/db', /YOUR-PASSWORD/],
    ['https://abcd.supabase.co', /begins with postgres:/],
    ['', /begins with postgres:/],
    ['postgres://', /no host/],
  ])('like %s is refused with the fix, and not repeated', (text, says) => {
    let error: unknown;
    try {
      parseDatabaseUrl(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'NS422', detail: expect.stringMatching(says) });
    expect(JSON.stringify(error)).not.toMatch(/se.cret/);
  });

  it.each([
    ['postgres://u:p@db.abcd.supabase.co/db', undefined, 'require'],
    ['postgres://u:p@db.abcd.supabase.co/db?sslmode=disable', undefined, false],
    ['postgres://u:p@127.0.0.1/db', undefined, false],
    ['postgres://u:p@h/db?sslmode=verify-full', undefined, { rejectUnauthorized: true, host: 'h' }],
    ['postgres://u:p@h/db', 'PEM', { rejectUnauthorized: true, host: 'h', ca: 'PEM' }],
    ['postgres://u:p@[::1]/db', 'PEM', { rejectUnauthorized: true, host: '::1', ca: 'PEM' }],
    [
      'postgres://u:p@h/db?sslmode=require&sslrootcert=system',
      undefined,
      { rejectUnauthorized: true, host: 'h' },
    ],
  ])('%s with the certificate %s is encrypted with %j', (url, ca, expected) => {
    expect(encryption(new URL(url), ca)).toEqual(expected);
  });

  it('that names a certificate which is not there is refused with where to get it', () => {
    const url = new URL('postgres://u:p@h/db?sslmode=verify-full&sslrootcert=/not/there.crt');
    expect(() => encryption(url)).toThrow(/sslrootcert cannot be read/);
  });
});

describe('migrate', () => {
  it('says of a pooler that knows nobody what to do, and not that Nightshift has a defect', async () => {
    const { url } = await pooler({
      refuses: { code: 'XX000', message: 'Tenant or user not found' },
    });
    await expect(migrate(url)).rejects.toMatchObject({
      code: 'NS422',
      hint: expect.stringContaining('postgres.<project>'),
    });
  });
});
