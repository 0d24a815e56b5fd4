import * as z from 'zod';
import type { NightshiftError } from './errors.ts';
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

export type EventType = keyof typeof eventDetails;

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
