import * as z from 'zod';
import { timeMs } from '../../functions/_shared/clock.ts';
import { utc } from '../ui.ts';

const paused = z.object({ since: z.string(), reason: z.string().nullable() });

/** What nightshift.describe_installation returns. */
export const installation = z.object({
  serverVersion: z.string(),
  now: z.string(),
  /** The same for every way into the same database. */
  database: z.string(),
  /** Null when none was applied to its end; before 0.1.0 there was no such thing. */
  release: z.object({ version: z.string(), checksum: z.string() }).nullable().default(null),
  owner: z.string(),
  ownerSeesStatistics: z.boolean(),
  /** Roles below the owner of the functions that own tables, which are left alone. */
  otherOwners: z
    .array(
      z.object({ owner: z.string(), tables: z.number(), example: z.string(), fix: z.string() }),
    )
    .default([]),
  statementTimeouts: z.record(z.string(), z.string().nullable()),
  paused: paused.nullable(),
  policies: z.object({
    retention: z.number(),
    refresh: z.number(),
    partition: z.number(),
    // Absent if the schema in the database is older.
    vacuum: z.number().default(0),
  }),
});
export type Installation = z.output<typeof installation>;

export function inWords({ since, reason }: z.output<typeof paused>): string {
  const why = reason ? `: ${reason}` : '';
  return `Paused since ${utc(timeMs(since))} UTC${why}. Only the health check runs. To end it: select nightshift.unpause();`;
}
