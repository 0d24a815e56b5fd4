import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import type { JobContext } from '../../functions/_shared/job.ts';
import { withHeartbeats } from '../../functions/_shared/lease.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('keeps the lease of 60 s while the work goes on, whatever becomes of a beat, and then no more', async () => {
  const call = vi.fn(() => Promise.reject(new NightshiftError('NS503', 'gone')));
  const context = { rpc: { call }, run: { id: 'r', fence: 7 } } as unknown as JobContext;
  const { promise, resolve: finish } = Promise.withResolvers<number>();
  const work = withHeartbeats(context, () => promise);
  await vi.advanceTimersByTimeAsync(59_000);
  expect(call).toHaveBeenCalledTimes(2);
  expect(call).toHaveBeenCalledWith(
    'heartbeat_run',
    { run_id: 'r', fence: 7 },
    expect.anything(),
    expect.anything(),
  );
  await vi.advanceTimersByTimeAsync(11_000);
  finish(1);
  expect(await work).toBe(1);
  await vi.advanceTimersByTimeAsync(100_000);
  expect(call).toHaveBeenCalledTimes(3);
});
