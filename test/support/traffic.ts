import { setTimeout as sleep } from 'node:timers/promises';
import type { TestDatabase } from './database.ts';
import { until } from './waiting.ts';

export interface Traffic {
  /** Returns when each session has begun and ended its statement once more: nothing holds it up. */
  getThrough(): Promise<void>;
  /** Ends the sessions; fails when one of their statements did. */
  stop(): Promise<void>;
}

/** Without it, a session is busy with nothing but the next statement, and takes the processor from what is tested. */
export const thinkTimeMs = 5;

/** Each statement in a session of its own, again and again, as an application works on while a run does. */
export function startTraffic(db: TestDatabase, statements: string[]): Traffic {
  let running = true;
  const done = statements.map(() => 0);
  const sessions = statements.map(async (statement, n) => {
    const session = db.connect();
    for (; running; done[n] = (done[n] ?? 0) + 1) {
      await session.unsafe(statement);
      await sleep(thinkTimeMs);
    }
  });
  return {
    getThrough: async () => {
      // One more may have begun before.
      const enough = done.map((times) => times + 2);
      await until('each session of the application has got through', async () =>
        done.every((times, n) => times >= (enough[n] ?? 0)),
      );
    },
    stop: async () => {
      running = false;
      await Promise.all(sessions);
    },
  };
}
