import { type Deadline, pause } from '../_shared/clock.ts';
import { retryPolicy } from '../_shared/errors.ts';

/**
 * How long to wait for a lock, and then how long to let everyone else through: the schedule that GitLab runs its
 * migrations with, and once more: an autovacuum gives way only after a second. A transaction of 15 seconds is outlasted.
 */
export const lockSchedule: readonly { lockTimeoutMs: number; pauseMs: number }[] = [
  { lockTimeoutMs: 100, pauseMs: 50 },
  { lockTimeoutMs: 100, pauseMs: 50 },
  { lockTimeoutMs: 200, pauseMs: 50 },
  { lockTimeoutMs: 300, pauseMs: 100 },
  { lockTimeoutMs: 400, pauseMs: 150 },
  { lockTimeoutMs: 500, pauseMs: 2_000 },
  { lockTimeoutMs: 500, pauseMs: 2_000 },
  { lockTimeoutMs: 500, pauseMs: 2_000 },
  { lockTimeoutMs: 500, pauseMs: 2_000 },
  { lockTimeoutMs: 1_000, pauseMs: 5_000 },
  { lockTimeoutMs: 1_500, pauseMs: 0 },
];

/** For calls that wait for locks: they are repeated on our schedule, with more patience each time, not as they were. */
export const once = retryPolicy(1);

/** What came of asking once: done, to be asked again at once, or locked by someone else. */
export type LockOutcome = 'done' | 'more' | 'busy';

/** What a call is given: half of it for the way there and back, and to write the end of the run. */
const callMs = 5_000;

export function callFits(remainingMs: number): boolean {
  return remainingMs > callMs;
}

/** To count the rows of a default partition: as long as its statement may take, and the way there and back. */
const countMs = 10_000;

export function countFits(remainingMs: number): boolean {
  return remainingMs > countMs;
}

/**
 * Works through subjects, as many a call as it takes; those that are locked come again, with pauses in between. A call answers for as
 * many of its subjects as it got to. Returns what is left: locked to the end, or not reached before the deadline.
 */
export async function withLockRetries(
  deadline: Deadline,
  subjects: readonly string[],
  call: (subjects: string[], lockTimeoutMs: number) => Promise<Map<string, LockOutcome>>,
): Promise<{ busy: string[]; waiting: string[] }> {
  let busy = [...subjects];
  for (const { lockTimeoutMs, pauseMs } of lockSchedule) {
    let rest = busy;
    busy = [];
    while (rest.length > 0) {
      if (!callFits(deadline.remainingMs())) return { busy, waiting: rest };
      const outcomes = await call(rest, lockTimeoutMs);
      busy.push(...rest.filter((subject) => outcomes.get(subject) === 'busy'));
      // Who wants more goes to the back: everyone has room before anyone is emptied.
      rest = [
        ...rest.filter((subject) => !outcomes.has(subject)),
        ...rest.filter((subject) => outcomes.get(subject) === 'more'),
      ];
    }
    if (busy.length === 0 || pauseMs === 0) break;
    if (!callFits(deadline.remainingMs() - pauseMs)) return { busy: [], waiting: busy };
    await pause(pauseMs);
  }
  return { busy, waiting: [] };
}
