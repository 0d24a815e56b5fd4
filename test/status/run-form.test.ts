import { beforeEach, describe, expect, it } from 'vitest';
import { cookieOf, form } from '../support/browser-session.ts';
import { setUpHandler, token } from '../support/handler.ts';

const reader = 'reads-only-5c2e';
const suite = setUpHandler({ NIGHTSHIFT_STATUS_TOKEN: reader });
const { browse, coldStart, fill, runs } = suite;

const steering = { cookie: cookieOf('steer', token) };
const path = '/jobs/retention-purge/runs';
const post = (fields: Record<string, string>, headers: Record<string, string> = steering) =>
  browse(form(path, fields, headers));

const idIn = (location = '') => location.split('/').at(-1) ?? '';

async function dryRun(): Promise<string> {
  const { headers } = await post({ why: 'the disk is full' });
  return idIn(headers.location);
}

async function rowsOf(relation: string): Promise<number> {
  const [row] = await suite.sql.unsafe(`select count(*)::integer as n from ${relation}`);
  return row?.n;
}

beforeEach(() => suite.sql`truncate nightshift.admissions, nightshift.runs`);

describe('a form of the status page', () => {
  it('starts a dry run, with who and why in the ledger, and sends the browser to its page', async () => {
    await fill('app.orders');
    const { statusCode, headers } = await post({ why: 'the disk is full' });
    const id = idIn(headers.location);
    expect([statusCode, headers.location]).toEqual([303, `../../status/runs/${id}`]);
    expect(await runs()).toEqual([
      expect.objectContaining({
        id,
        trigger: 'http',
        requested_by: 'Ada: the disk is full',
        report: expect.objectContaining({ dryRun: true, rowsPurged: 10 }),
      }),
    ]);
    expect(await rowsOf('app.orders')).toBe(30);
  });

  it('that confirms it deletes what it has shown, once, however often it is sent', async () => {
    await fill('app.orders');
    const confirms = await dryRun();
    const answers = await Promise.all([1, 2, 3].map(() => post({ confirms, why: 'as shown' })));
    expect(await rowsOf('app.orders')).toBe(20);
    const real = (await runs()).filter(({ id }) => id !== confirms);
    expect(real.map(({ status, requested_by }) => [status, requested_by])).toEqual([
      ['succeeded', 'Ada: as shown'],
    ]);
    const places = answers.map(({ headers }) => headers.location);
    expect(new Set(places)).toEqual(new Set([`../../status/runs/${real[0]?.id}`]));
    expect(await post({ confirms, why: 'once more' })).toMatchObject({
      statusCode: 303,
      headers: { location: places[0] },
    });
  });

  it('confirms no dry run that is older than an hour, failed, is of another job, or was none', async () => {
    await fill('app.orders');
    const confirms = await dryRun();
    for (const change of [
      "finished_at = now() - interval '61 minutes'",
      "finished_at = now(), status = 'failed'",
      "status = 'succeeded', job = 'view-refresh'",
      "job = 'retention-purge', dry_run = false",
    ]) {
      await suite.sql.unsafe(`update nightshift.runs set ${change} where id = '${confirms}'`);
      const { statusCode, body } = await post({ confirms, why: 'because' });
      expect([change, statusCode]).toEqual([change, 409]);
      expect(body).toContain('Begin with a dry run');
    }
    expect((await post({ confirms: 'ffffffff', why: 'because' })).statusCode).toBe(404);
    expect((await post({ confirms: "' or true --", why: 'because' })).statusCode).toBe(404);
    expect(await rowsOf('app.orders')).toBe(30);
  });

  it('says what the run that is in the way is', async () => {
    await fill('app.orders');
    const confirms = await dryRun();
    await suite.sql`select nightshift.begin_run('retention-purge', 'schedule')`;
    const { statusCode, headers } = await post({ confirms, why: 'because' });
    expect(statusCode).toBe(303);
    expect(await suite.runOf(idIn(headers.location))).toMatchObject({
      status: 'skipped',
      report: { reason: 'overlap' },
    });
  });

  it.each([
    ['without a cookie', {}, 401],
    ['with the cookie of another token', { cookie: cookieOf('steer', 'another') }, 401],
    ['of whoever only reads', { cookie: cookieOf('read', reader) }, 403],
    ['of another site', { ...steering, 'sec-fetch-site': 'cross-site' }, 403],
    ['of another host of the domain', { ...steering, 'sec-fetch-site': 'same-site' }, 403],
    ['with a wrong token', { authorization: 'Bearer guessed' }, 401],
  ])('starts nothing %s', async (_, headers, expected) => {
    await fill('app.orders');
    expect((await post({ why: 'because' }, headers)).statusCode).toBe(expected);
    expect(await runs()).toEqual([]);
  });

  it('is not what a program sends under its type, as curl does', async () => {
    await fill('app.orders');
    const headers = { authorization: `Bearer ${token}` };
    const answer = await browse({ ...form(path, {}, headers), body: '{"dryRun": true}' });
    expect(answer.statusCode).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({
      status: 'succeeded',
      report: { dryRun: true },
    });
  });

  it('starts nothing without a reason', async () => {
    expect((await post({})).statusCode).toBe(400);
    expect(await runs()).toEqual([]);
  });

  it('starts nothing when no token that steers is set', async () => {
    await coldStart({ NIGHTSHIFT_HTTP_TOKEN: undefined });
    for (const headers of [
      steering,
      { cookie: cookieOf('read', reader) },
      { cookie: cookieOf('steer', '') },
    ]) {
      expect((await post({ why: 'because' }, headers)).statusCode).toBe(404);
    }
    expect(await runs()).toEqual([]);
  });

  it('is not let in by its cookie as JSON, which another site could not send but a script could', async () => {
    const { headers, ...request } = form(path, {}, steering);
    const answer = await browse({
      ...request,
      body: '{}',
      headers: { ...headers, 'content-type': 'application/json' },
    });
    expect(answer.statusCode).toBe(401);
    expect(await runs()).toEqual([]);
  });
});
