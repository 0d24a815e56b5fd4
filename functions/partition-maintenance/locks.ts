import { type Deadline, pause } from '../_shared/clock.ts';
import { retryPolicy } from '../_shared/errors.ts';
import { isStop } from '../_shared/stop.ts';

/**
 * How long to wait for a lock each time, and how long to let everyone else through before the next try. It is GitLab's
 * schedule for migrations plus a last, longer try, because an autovacuum gives way only after a second. It outlasts a
 * transaction of 15 seconds.
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
  { lockTimeoutMs: 1_500, pauseMs: 10_000 },
];

/**
 * Behind a transaction that lasts, such as a backup, nobody queues: the call only looks, which holds up nobody. So it can look
 * for longer.
 */
const looks = Array.from({ length: 5 }, () => ({ lockTimeoutMs: 1_500, pauseMs: 10_000 }));

/** Lock timeouts are repeated by the schedule above, not by the RPC client. */
export const once = retryPolicy(1);

/** `held`: a transaction that lasts has the lock, and the call did not wait for it. */
export type LockOutcome = 'done' | 'more' | 'busy' | 'held';

export function lockedBy({ holder }: { holder?: unknown }): LockOutcome {
  return holder ? 'held' : 'busy';
}

/** What a call needs: half of it for the round trip and for recording the end of the run. */
const callMs = 5_000;

export function callFits(remainingMs: number): boolean {
  return remainingMs > callMs;
}

/** What counting a default partition needs: its statement timeout and the round trip. */
const countMs = 10_000;

export function countFits(remainingMs: number): boolean {
  return remainingMs > countMs;
}

/**
 * Calls until every subject is done, and comes back to locked ones by the schedule, and to held ones for another minute. A call
 * may answer for only some of its subjects: those it leaves out, and those with more to do, are called again at once. Returns
 * the subjects that stayed locked to the end, and those that the deadline left waiting.
 */
export async function withLockRetries(
  deadline: Deadline,
  subjects: readonly string[],
  call: (subjects: string[], lockTimeoutMs: number) => Promise<Map<string, LockOutcome>>,
): Promise<{ busy: string[]; waiting: string[] }> {
  const busy: string[] = [];
  const held = new Set<string>();
  let locked = [...subjects];
  for (const [turn, { lockTimeoutMs, pauseMs }] of [...lockSchedule, ...looks].entries()) {
    let rest = locked;
    locked = [];
    while (rest.length > 0) {
      if (!callFits(deadline.remainingMs())) return { busy: [...busy, ...locked], waiting: rest };
      const outcomes = await call(rest, lockTimeoutMs).catch((thrown: unknown) => {
        if (isStop(thrown)) return undefined;
        throw thrown;
      });
      // A run that was told to stop leaves the rest to the next one, as when time runs out.
      if (!outcomes) return { busy: [...busy, ...locked], waiting: rest };
      for (const subject of rest) {
        const outcome = outcomes.get(subject);
        if (outcome === 'held') held.add(subject);
        else held.delete(subject);
        if (outcome === 'held' || outcome === 'busy') locked.push(subject);
      }
      // Subjects with more to do go to the back, so that each gets its turn before any gets a second one.
      rest = [
        ...rest.filter((subject) => !outcomes.has(subject)),
        ...rest.filter((subject) => outcomes.get(subject) === 'more'),
      ];
    }
    const hasQueuedEnough = turn >= lockSchedule.length - 1;
    if (hasQueuedEnough) {
      busy.push(...locked.filter((subject) => !held.has(subject)));
      locked = locked.filter((subject) => held.has(subject));
    }
    if (locked.length === 0) break;
    if (!callFits(deadline.remainingMs() - pauseMs)) {
      return hasQueuedEnough
        ? { busy: [...busy, ...locked], waiting: [] }
        : { busy, waiting: locked };
    }
    await pause(pauseMs);
  }
  return { busy: [...busy, ...locked], waiting: [] };
}
