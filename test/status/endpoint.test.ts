import { beforeEach, describe, expect, it } from 'vitest';
import { status } from '../../functions/status/schema.ts';
import { setUpHandler, token } from '../support/handler.ts';
import { written } from '../support/record-output.ts';

const reader = 'reads-only-1f0c';
const suite = setUpHandler({ NIGHTSHIFT_STATUS_TOKEN: reader }, 'health-check');
const { call, coldStart, send } = suite;

beforeEach(() => suite.sql`truncate nightshift.status`);

const statusJson = (given: string | undefined) =>
  call({ method: 'GET', path: '/status.json', token: given });

describe('GET /status.json', () => {
  it('answers the snapshot of the last health check to either token, as the schema has it', async () => {
    await send({ quick: true });
    for (const given of [reader, token]) {
      const { statusCode, headers, body } = await statusJson(given);
      expect(statusCode).toBe(200);
      expect(headers).toMatchObject({
        'content-type': 'application/json',
        'cache-control': 'no-store',
      });
      expect(status.parse(body)).toEqual(body);
      expect(body).toMatchObject({
        projectUrl: suite.gateway.url,
        isOld: false,
        jobs: { problem: null },
      });
    }
  });

  it('says how to take the first', async () => {
    const { statusCode, body } = await statusJson(reader);
    expect(statusCode).toBe(404);
    expect(body).toMatchObject({
      title: 'There is no status yet: no health check has run',
      hint: 'POST /jobs/health-check/runs with {}',
    });
  });

  it('refuses everyone else, and everyone when no token is set', async () => {
    for (const given of [undefined, 'guessed', '', `${reader}x`]) {
      const { statusCode, body } = await statusJson(given);
      expect(statusCode).toBe(401);
      expect(body).toMatchObject({ hint: expect.stringContaining('<NIGHTSHIFT_STATUS_TOKEN>') });
    }
    await coldStart({ NIGHTSHIFT_STATUS_TOKEN: undefined, NIGHTSHIFT_HTTP_TOKEN: undefined });
    for (const given of [undefined, 'undefined', '', token]) {
      const { statusCode, body } = await statusJson(given);
      expect(statusCode).toBe(401);
      expect(body).toMatchObject({
        hint: 'No token is configured, so nobody can read this: set NIGHTSHIFT_STATUS_TOKEN.',
      });
    }
    await coldStart({ NIGHTSHIFT_STATUS_TOKEN: undefined });
    expect((await statusJson(reader)).statusCode).toBe(401);
    expect((await statusJson(token)).statusCode).toBe(404);
  });

  it('is all that the token which reads can ask for', async () => {
    const { body } = await call({ token, body: { quick: true } });
    const runId = String(body.runId);
    for (const [method, path] of [
      ['POST', '/jobs/health-check/runs'],
      ['GET', '/jobs/health-check/runs'],
      ['GET', `/runs/${runId}`],
      ['POST', `/runs/${runId}/cancel`],
      ['POST', '/status.json'],
    ] as const) {
      expect((await call({ method, path, token: reader })).statusCode, `${method} ${path}`).toBe(
        401,
      );
    }
  });

  it('is refused, as is everything else, when both tokens are the same: it could steer', async () => {
    await coldStart({ NIGHTSHIFT_STATUS_TOKEN: token });
    const { statusCode } = await statusJson(token);
    expect(statusCode).toBe(500);
    expect(written.join('\n')).toContain('another one than NIGHTSHIFT_HTTP_TOKEN');
  });
});

describe('a health check', () => {
  it('is done whether or not the snapshot could be taken, and says so in the log', async () => {
    await suite.sql.unsafe('alter table nightshift.status rename to status_away');
    const from = written.length;
    const { status: ended } = await send({ quick: true });
    await suite.sql.unsafe('alter table nightshift.status_away rename to status');
    expect(ended).toBe('succeeded');
    expect(written.slice(from).join('\n')).toContain('The status could not be taken');
  });

  it('takes none when it is dry', async () => {
    await send({ quick: true, dryRun: true });
    expect(await suite.sql`select from nightshift.status`).toHaveLength(0);
  });
});
