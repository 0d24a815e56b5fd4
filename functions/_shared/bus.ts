import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import pRetry from 'p-retry';
import * as z from 'zod';
import { NightshiftError } from './errors.ts';

export const eventSource = 'nightshift';
export const continueDetailType = 'nightshift.run.continue';

/** The detail of a continue event: resume this run, if nobody has since this attempt ended. */
export const continueDetail = z.object({
  version: z.literal(1),
  job: z.string(),
  runId: z.uuid(),
  attempt: z.number().int().positive(),
});

export interface Bus {
  publishContinue(request: { job: string; runId: string; attempt: number }): Promise<void>;
}

export function createBus(busName: string, client = new EventBridgeClient({})): Bus {
  return {
    publishContinue(request) {
      const entry = {
        EventBusName: busName,
        Source: eventSource,
        DetailType: continueDetailType,
        Detail: JSON.stringify({ version: 1, ...request } satisfies z.input<typeof continueDetail>),
      };
      return pRetry(
        async () => {
          const { FailedEntryCount, Entries } = await client
            .send(new PutEventsCommand({ Entries: [entry] }))
            .catch((cause: unknown) => {
              throw notTaken(cause instanceof Error ? cause.name : 'unknown error', cause);
            });
          // PutEvents answers 200 also when it took nothing.
          if (FailedEntryCount) throw notTaken(Entries?.[0]?.ErrorCode ?? 'no error code given');
        },
        { retries: 3, minTimeout: 200, randomize: true },
      );
    },
  };
}

function notTaken(detail: string, cause?: unknown): NightshiftError {
  return new NightshiftError('NS503', 'The event bus did not take the continue event', {
    detail,
    hint: 'Check NIGHTSHIFT_EVENT_BUS and events:PutEvents in the role. The next scheduled run takes up the work.',
    cause,
  });
}
