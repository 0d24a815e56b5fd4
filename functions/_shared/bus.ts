import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import pRetry from 'p-retry';
import * as z from 'zod';
import { NightshiftError } from './errors.ts';
import { triggers } from './ledger.ts';

export const eventSource = 'nightshift';

/** What every event about an ended run carries. Nothing here ever quotes a row. */
const endedRun = {
  version: z.literal(1),
  job: z.string(),
  runId: z.uuid(),
  trigger: z.enum(triggers),
  attempt: z.number().int().positive(),
  startedAt: z.iso.datetime({ offset: true }),
  finishedAt: z.iso.datetime({ offset: true }),
};

/** The detail of each event by its detail-type. docs/events.md explains each member, and when the version grows. */
export const eventDetails = {
  /** Sent to ourselves: resume this run, unless someone has since this attempt ended. */
  'nightshift.run.continue': z.object({
    version: z.literal(1),
    job: z.string(),
    runId: z.uuid(),
    attempt: z.number().int().positive(),
  }),
  'nightshift.run.finished': z.object({
    ...endedRun,
    status: z.enum(['succeeded', 'partial', 'continued', 'interrupted']),
    counts: z.record(z.string(), z.number()),
  }),
  'nightshift.run.failed': z.object({
    ...endedRun,
    status: z.enum(['failed', 'lost']),
    error: z.object({ code: z.string(), message: z.string() }),
  }),
} as const;

type EventType = keyof typeof eventDetails;

export type RunEvent = {
  [Type in EventType]: { type: Type; detail: z.input<(typeof eventDetails)[Type]> };
}[EventType];

interface Undelivered {
  event: RunEvent;
  error: NightshiftError;
}

export interface Bus {
  /** Publishes up to ten events, the limit of PutEvents. Returns those that were not accepted in time. */
  publish(events: readonly RunEvent[], timeoutMs: number): Promise<Undelivered[]>;
}

export function createBus(
  busName: string,
  // Retries happen here, entry by entry.
  client = new EventBridgeClient({ maxAttempts: 1 }),
): Bus {
  return {
    async publish(events, timeoutMs) {
      const abortSignal = AbortSignal.timeout(timeoutMs);
      let left = events.map((event) => ({ event, why: 'no answer in time' }));
      const put = async () => {
        const Entries = left.map(({ event: { type, detail } }) => ({
          EventBusName: busName,
          Source: eventSource,
          DetailType: type,
          Detail: JSON.stringify(detail),
        }));
        try {
          const answer = await client.send(new PutEventsCommand({ Entries }), { abortSignal });
          // PutEvents answers 200 even when it accepted nothing. Its results are in the order of the entries.
          left = left.flatMap(({ event }, n) => {
            const { EventId, ErrorCode = 'no error code given' } = answer.Entries?.[n] ?? {};
            return EventId ? [] : [{ event, why: ErrorCode }];
          });
        } catch (thrown) {
          const why = thrown instanceof Error ? thrown.name : 'unknown error';
          if (!abortSignal.aborted) left = left.map(({ event }) => ({ event, why }));
        }
        if (left.length > 0) throw new Error('The event bus did not take all events');
      };
      const retries = { retries: 3, minTimeout: 200, randomize: true, signal: abortSignal };
      await pRetry(put, retries).catch(() => {});
      return left.map(({ event, why }) => ({ event, error: notAccepted(event.type, why) }));
    },
  };
}

function notAccepted(type: EventType, detail: string): NightshiftError {
  return new NightshiftError('NS503', `The event bus did not take ${type}`, {
    detail,
    hint: 'Check NIGHTSHIFT_EVENT_BUS and events:PutEvents in the role. The next scheduled run takes up the work that is left.',
  });
}
