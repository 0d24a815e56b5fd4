import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createBus } from '../../functions/_shared/bus.ts';
import type { RunEvent } from '../../functions/_shared/run-events.ts';
import { busName, startTestBus, type TestBus } from '../support/event-bus.ts';

const timeoutMs = 60_000;
const asks = (attempt: number): RunEvent => ({
  type: 'nightshift.run.continue',
  detail: { version: 1, job: 'j', runId: '3f0c6c7e-55a5-4f6e-9d0a-0a4b1f7a2c11', attempt },
});

function clientOf(endpoint: string) {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  return new EventBridgeClient({ endpoint, region: 'local', credentials, maxAttempts: 1 });
}

let local: TestBus;
beforeAll(async () => {
  local = await startTestBus();
});
beforeEach(() => local.reset());
afterAll(() => local.close());

describe('publishing', () => {
  const bus = () => createBus(busName, clientOf(local.url));
  const taken = () => local.delivered.map(({ detail }) => (detail as { attempt: number }).attempt);

  it('offers once what is taken at once, in the envelope of EventBridge', async () => {
    expect(await bus().publish([asks(1), asks(2)], timeoutMs)).toEqual([]);
    expect(local.offered).toBe(2);
    expect(local.delivered[0]).toMatchObject({
      version: '0',
      source: 'nightshift',
      'detail-type': 'nightshift.run.continue',
      detail: asks(1).detail,
    });
  });

  it('offers again only what was refused', async () => {
    local.failNext(2);
    expect(await bus().publish([asks(1), asks(2), asks(3)], timeoutMs)).toEqual([]);
    expect(local.offered).toBe(5);
    expect(taken()).toEqual([3, 1, 2]);
  });

  it('says which events were not taken, and why', async () => {
    local.failNext(100);
    const undelivered = await bus().publish([asks(1), asks(2)], timeoutMs);
    expect(undelivered).toMatchObject([
      { event: asks(1), error: { code: 'NS503', detail: 'ThrottlingException' } },
      { event: asks(2), error: { message: 'The event bus did not take nightshift.run.continue' } },
    ]);
    expect(local.offered).toBe(8);
  });

  it('offers all again after a call that failed', async () => {
    local.breakDown(1);
    expect(await bus().publish([asks(1)], timeoutMs)).toEqual([]);
    expect(taken()).toEqual([1]);
  });
});

it('gives up in time on a bus that never answers', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const bus = createBus(busName, clientOf(`http://127.0.0.1:${port}`));
  expect(await bus.publish([asks(1)], 300)).toMatchObject([
    { error: { detail: 'no answer in time' } },
  ]);
  silent.close();
  silent.closeAllConnections();
});
