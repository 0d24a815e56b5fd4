import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import pRetry from 'p-retry';
import { NightshiftError } from './errors.ts';
import { type Bus, type EventType, eventSource } from './run-events.ts';

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
