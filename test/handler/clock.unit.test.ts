import { expect, it } from 'vitest';
import { deadlineIn, timeMs } from '../../functions/_shared/clock.ts';

it('counts what remains in whole milliseconds, as a timeout of a request has to be', () => {
  const start = timeMs('2026-01-01T00:00:00Z');
  let now = start;
  const deadline = deadlineIn({ nowMs: () => now }, 5_399.1);
  expect(() => AbortSignal.timeout(deadline.remainingMs())).not.toThrow();
  expect(deadline.remainingMs()).toBe(5_399);
  now = start + 5_399;
  expect(deadline.remainingMs()).toBe(0);
  now = start + 6_000;
  expect(deadline.remainingMs()).toBeLessThan(0);
});
