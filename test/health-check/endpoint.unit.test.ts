import { expect, it } from 'vitest';
import { silentLog } from '../../functions/_shared/log.ts';
import type { Rpc } from '../../functions/_shared/rpc.ts';
import { version } from '../../functions/_shared/version.ts';
import { createEndpoint } from '../../functions/health-check/endpoint.ts';

const request = {
  method: 'GET',
  path: '/health',
  headers: {},
  body: new Uint8Array(),
  requestId: '',
  source: '',
};
const tokens = { httpToken: undefined, statusToken: undefined };

it('asks the database for strangers once in five seconds, and for whoever has the token each time', async () => {
  const endpoint = createEndpoint();
  let nowMs = 0;
  let asked = 0;
  const document = { serverVersion: '17.0', checks: [], notRun: [] };
  const rpc: Rpc = {
    call: async () => {
      asked += 1;
      return document as never;
    },
  };
  const ask = async (trusted: boolean) => {
    const tools = {
      rpc,
      clock: { nowMs: () => nowMs },
      log: silentLog,
      trusted,
      id: '',
      projectUrl: '',
      schedules: [],
      body: new Uint8Array(),
      accessExpiresAtMs: undefined,
      request,
      tokens,
    };
    return JSON.parse((await endpoint.answer(tools)).body ?? '');
  };

  expect(await ask(false)).toEqual({ status: 'ok' });
  nowMs = 4_999;
  expect(await ask(false)).toEqual({ status: 'ok' });
  expect(asked).toBe(1);
  expect(await ask(true)).toMatchObject({ database: { reachable: true }, checks: [] });
  expect(asked).toBe(2);
  // What the other was told is news for strangers, too.
  nowMs = 9_998;
  await ask(false);
  expect(asked).toBe(2);
  nowMs = 9_999;
  await ask(false);
  expect(asked).toBe(3);
});

it('says to whoever has the token which release it is and when the token of the functions expires, and to nobody else', async () => {
  const document = { serverVersion: '17.0', checks: [], notRun: [] };
  const tools = {
    rpc: { call: async () => document as never },
    clock: { nowMs: () => 0 },
    log: silentLog,
    id: '',
    projectUrl: '',
    schedules: [],
    body: new Uint8Array(),
    accessExpiresAtMs: 1_800_000_000_000,
    request,
    tokens,
  };
  const ask = async (trusted: boolean) =>
    JSON.parse((await createEndpoint().answer({ ...tools, trusted })).body ?? '');
  expect(await ask(true)).toMatchObject({
    version,
    tokenExpiresAt: '2027-01-15T08:00:00.000Z',
  });
  expect(await ask(false)).toEqual({ status: 'ok' });
});
