import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { systemClock } from '../../functions/_shared/clock.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { endless } from '../support/deadline.ts';

const page = '<html><body>522: Connection timed out</body></html>';

const started = {
  id: 'r',
  job: 'j',
  trigger: 'cli',
  requestedBy: null,
  dryRun: false,
  status: 'running',
  attempt: 1,
  fence: 1,
  input: {},
  startedAt: '2026-01-01T00:00:00Z',
  finishedAt: null,
  progress: {},
  report: null,
  error: null,
};

/** A client whose calls are answered with these, one after the other. */
function rpcAnswered(...answers: Response[]) {
  return rpcOf(async () => answers.shift() as Response);
}

function rpcOf(answer: () => Promise<Response>, options: Parameters<typeof createRpc>[2] = {}) {
  const fetch = vi.fn(answer);
  vi.stubGlobal('fetch', fetch);
  const rpc = createRpc({ url: 'http://127.0.0.1:9', secretKey: 'k' }, endless(60_000), options);
  return { fetch, rpc, ask: () => rpc.call('list_runs', {}, z.literal('right')) };
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe('a call', () => {
  it.each<[string, () => Response]>([
    ['a page of Cloudflare', () => new Response(page, { status: 522 })],
    ['a page of a paused project', () => new Response(page, { status: 540 })],
    ['a page that says 404', () => new Response(page, { status: 404 })],
    [
      'a 404 without a body, which the client takes for success',
      () => new Response('', { status: 404 }),
    ],
    [
      'a 500 whose JSON is null, which the client takes for success',
      () => new Response('null', { status: 500 }),
    ],
    ['a login page that says 200', () => new Response(page, { status: 200 })],
  ])('outlasts %s', async (_, answer) => {
    const { fetch, ask } = rpcAnswered(answer(), Response.json('right'));
    expect(await ask()).toBe('right');
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  it.each([
    ['', null],
    ['[]', []],
  ])(
    'that expects nothing, or a list, does not take a 404 with "%s" for it',
    async (body, right) => {
      const { fetch, rpc } = rpcAnswered(
        new Response(body, { status: 404 }),
        right ? Response.json(right) : new Response(null, { status: 204 }),
      );
      const args = { run_id: 'r', fence: 1, view: 'v', error: {} };
      const answer = await rpc.call('record_refresh_failure', args as never, z.unknown());
      expect(answer ?? null).toEqual(right);
      expect(fetch).toHaveBeenCalledTimes(2);
    },
  );

  it.each([
    ['minutes', { deadline: endless(600_000) }],
    ['the time of the run', { deadline: endless(0), recordBy: endless(600_000) }],
  ])('of the end of a run outlasts %s, where any other gives up', async (_, deadlines) => {
    vi.useFakeTimers();
    const job = { name: 'j', example: {}, input: z.object({ dryRun: z.boolean().default(false) }) };
    const ended = { ...started, status: 'succeeded' };
    const outage = Array.from({ length: 12 }, () => new Response(page, { status: 522 }));
    const { rpc, ask } = rpcAnswered(
      Response.json({ outcome: 'started', run: started, lost: [] }),
      ...outage,
      Response.json(ended),
      ...Array.from({ length: 7 }, () => new Response(page, { status: 522 })),
    );
    const result = runJob(
      { ...job, run: async () => ({ status: 'succeeded', report: {} }) },
      { trigger: 'cli', input: {} },
      {
        rpc,
        clock: systemClock,
        ...deadlines,
        log: silentLog,
        metrics: noMetrics,
        direct: undefined,
      },
    );
    await vi.runAllTimersAsync();
    expect((await result).run).toMatchObject(ended);
    const other = ask().catch((error: unknown) => error);
    await vi.runAllTimersAsync();
    expect(await other).toMatchObject({ code: 'NS503' });
  });

  it.each<[string, () => Promise<Response>]>([
    ['nothing listens', () => Promise.reject(new TypeError('fetch failed ECONNREFUSED'))],
    ['somebody else does', async () => new Response(page, { status: 404 })],
  ])(
    'for somebody who waits gives up soon where %s, until the project has answered once',
    async (_, fail) => {
      vi.useFakeTimers();
      let answer = fail;
      const { fetch, ask } = rpcOf(() => answer(), { somebodyWaits: true });
      const outcome = async () => {
        const asked = ask().catch((error: unknown) => error);
        await vi.runAllTimersAsync();
        return asked;
      };
      expect(await outcome()).toMatchObject({ code: 'NS503' });
      expect(fetch).toHaveBeenCalledTimes(4);
      answer = async () => Response.json('right');
      await outcome();
      answer = fail;
      fetch.mockClear();
      await outcome();
      expect(fetch).toHaveBeenCalledTimes(7);
    },
  );

  it('does not repeat what the firewall of a company refuses', async () => {
    const { fetch, ask } = rpcAnswered(new Response(page, { status: 403 }));
    await expect(ask()).rejects.toMatchObject({ code: 'HTTP403' });
    expect(fetch).toHaveBeenCalledTimes(1);
  });
});
