import { sign } from 'hono/jwt';
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../functions/_shared/clock.ts';
import type { Gateway } from '../../infra/local/gateway.ts';
import { setUpDatabase } from '../support/database.ts';

const runner = { role: 'nightshift_runner' };
const inMs = (ms: number) => ({ exp: Math.floor((systemClock.nowMs() + ms) / 1_000) });

const db = setUpDatabase();
let gateway: Gateway;
beforeAll(async () => {
  gateway = await db.gateway();
});

const signed = (claims: object, secret = gateway.jwtSecret) =>
  sign({ ...inMs(60_000), ...claims }, secret, 'HS256');

async function listRuns(headers: { apikey?: string; authorization?: string }): Promise<number> {
  const { status } = await fetch(`${gateway.url}/rest/v1/rpc/list_runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-profile': 'nightshift', ...headers },
    body: '{}',
  });
  return status;
}

describe('a request', () => {
  const withToken = async (token: Promise<string>, apikey = gateway.publishableKey) =>
    listRuns({ apikey, authorization: `Bearer ${await token}` });

  it('has the role of its token, whatever the key beside it', async () => {
    expect(await withToken(signed(runner))).toBe(200);
    expect(await withToken(signed({ ...runner, sub: crypto.randomUUID() }))).toBe(200);
    expect(await withToken(signed({ role: 'authenticated' }), gateway.secretKey)).toBe(403);
  });

  it('has the role of its key when there is no token, or one without a role', async () => {
    expect(await listRuns({ apikey: gateway.secretKey })).toBe(200);
    expect(await listRuns({ apikey: gateway.publishableKey })).toBe(401);
    expect(await withToken(signed({}))).toBe(401);
  });

  it.each<[string, () => Promise<string>, number]>([
    ['is signed by someone else', () => signed(runner, 'a-secret-of-someone-else'), 401],
    ['has expired', () => signed({ ...runner, ...inMs(-60_000) }), 401],
    ['is for a role that there is not', () => signed({ role: 'nobody' }), 401],
    ['is for the owner', () => signed({ role: 'postgres' }), 403],
  ])('is refused when its token %s', async (_, token, status) => {
    expect(await withToken(token())).toBe(status);
  });

  it('is refused without a key, and with a token in its place', async () => {
    const token = await signed(runner);
    expect(await listRuns({ authorization: `Bearer ${token}` })).toBe(401);
    expect(await listRuns({ apikey: token })).toBe(401);
  });
});
