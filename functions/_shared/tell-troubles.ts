import * as z from 'zod';
import type { Clock, Deadline } from './clock.ts';
import { httpStatusOf, type NightshiftError, toNightshiftError } from './errors.ts';
import type { Log } from './log.ts';
import type { Rpc } from './rpc.ts';
import type { Webhook } from './webhook.ts';

/** For two calls and a message, each of which may take three seconds. */
const enoughMs = 10_000;
const callMs = 3_000;

/** A database that cannot be reached is told again after so long. */
const againMs = 6 * 3_600_000;

const trouble = z.object({
  id: z.number(),
  kind: z.enum(['failed', 'missed', 'left', 'critical']),
  subject: z.string(),
  text: z.string(),
  beganAt: z.string(),
  endedAt: z.string().nullable(),
});
const troubles = z.object({ began: z.array(trouble), ended: z.array(trouble) });

/** Tells people what is wrong, from within a function, and never stands in the way of its work. */
export interface Teller {
  /** At the end of a run: what has begun, and what is over. What is not delivered comes again with the next run. */
  afterRun(dependencies: { rpc: Rpc; deadline: Deadline; log: Log }): Promise<void>;
  /** When no run could begin. The database cannot remember that, so the instance of the function does, as long as it lives. */
  whenUnreachable(error: NightshiftError, log: Log): Promise<void>;
}

export function createTeller(webhook: Webhook, projectUrl: string, clock: Clock): Teller {
  const project = new URL(projectUrl).host;
  const nothing = { project, began: [], ended: [] };
  let unreachableSinceMs: number | undefined;

  return {
    async afterRun({ rpc, deadline, log }) {
      if (deadline.remainingMs() < enoughMs) return;
      const once = { retry: () => false, timeoutMs: callMs };
      try {
        if (unreachableSinceMs !== undefined) {
          const text = 'The database can be reached again, and runs begin.';
          await webhook.send({ ...nothing, type: 'nightshift.reachable', text });
          unreachableSinceMs = undefined;
        }
        const { began, ended } = await rpc.call('take_troubles', {}, troubles, once);
        if (began.length + ended.length === 0) return;
        await webhook.send({ type: 'nightshift.troubles', project, began, ended });
        const trouble_ids = [...began, ...ended].map(({ id }) => id);
        await rpc.call('note_told', { trouble_ids }, z.unknown(), once);
      } catch (thrown) {
        const error = toNightshiftError(thrown).describe();
        log.error('Nobody was told what is wrong; the next run tries again', { error });
      }
    },

    async whenUnreachable(error, log) {
      const nowMs = clock.nowMs();
      const isKnown = unreachableSinceMs !== undefined && nowMs < unreachableSinceMs + againMs;
      if (httpStatusOf(error) < 500 || isKnown) return;
      try {
        const { code, message } = error.describe();
        // As in the database: the message of a defect comes from wherever it was thrown, and may say anything.
        const why = code === 'NS500' ? 'the log of the function has the reason' : message;
        const text = `No run can begin (${code}): ${why}.`;
        await webhook.send({ ...nothing, type: 'nightshift.unreachable', text });
        unreachableSinceMs = nowMs;
      } catch (thrown) {
        const error = toNightshiftError(thrown).describe();
        log.error('Nobody was told that no run can begin; the next one tries again', { error });
      }
    },
  };
}
