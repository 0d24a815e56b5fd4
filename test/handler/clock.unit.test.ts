import { expect, it } from 'vitest';
import { deadlineIn } from '../../functions/_shared/clock.ts';

it('counts what remains in whole milliseconds, as a timeout of a request has to be', () => {
  const start = Date.UTC(2026, 0, 1);
  let now = start;
  const deadline = deadlineIn({ nowMs: () => now }, 5_399.1);
  expect(() => AbortSignal.timeout(deadline.remainingMs())).not.toThrow();
  expect(deadline.remainingMs()).toBe(5_399);
  now = start + 5_399;
  expect(deadline.remainingMs()).toBe(0);
  now = start + 6_000;
  expect(deadline.remainingMs()).toBeLessThan(0);
});
