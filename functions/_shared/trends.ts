import * as z from 'zod';

/** What describe_trends returns; docs/trends.md describes it. Names are text, never markup. */
const day = z.iso.date();
const count = z.number();

/** For each day of `days` the highest figure; null where there is none. */
const figures = z.array(count.nullable());

const growth = z.object({
  /** Whole days with a figure, of the last 28 and after the last step. With fewer than 14 nothing is said. */
  points: count,
  /** When the size last went to another level by more than 5%, and by how much. */
  stepOn: day.nullable(),
  stepBytes: count.nullable(),
  /** By the last 7 days, and by the last 28; null while it is not known. */
  bytesPerDay7: count.nullable(),
  bytesPerDay28: count.nullable(),
});
export type Growth = z.output<typeof growth>;

const forecast = z.object({
  state: z.enum(['no limit', 'no history', 'room', 'not growing', 'growing', 'full']),
  limitBytes: count.nullable(),
  /** What sets the limit. */
  limitKind: z.enum(['database', 'disk', 'plan']).nullable(),
  /** The database, and on a disk its write-ahead log. */
  usedBytes: count.nullable(),
  walBytes: count.nullable(),
  usedPercent: count.nullable(),
  /** Days until the limit in a straight line; set when it is growing or full. */
  earliestDays: count.nullable(),
  /** Null when by one of the two windows it would take more than a year. */
  latestDays: count.nullable(),
});
export type Forecast = z.output<typeof forecast>;

const tableTrend = z.object({
  table: z.string(),
  growth,
  /** Since when every purge has left rows; null: the last left none, or there is no policy. */
  rowsLeftSince: day.nullable(),
  daily: z.object({
    days: z.array(day),
    /** With indexes, long values and partitions. */
    bytes: figures,
    /** Estimates of the last vacuum or analyze. */
    liveRows: figures,
    deadRows: figures,
    /** What the last purge of that day left over. */
    rowsLeft: figures,
  }),
});
export type TableTrend = z.output<typeof tableTrend>;

const duration = z.object({
  job: z.string(),
  lastMs: count,
  /** The median of the 28 days before; null: there is nothing to compare with. */
  usualMs: count.nullable(),
  /** The first day, of those up to the last, on which it took more than twice that; null: it does not. */
  slowerSince: day.nullable(),
  daily: z.object({ days: z.array(day), durationMs: z.array(count) }),
});

export const trends = z.object({
  asOf: z.string(),
  /** The first figure; null before there is one. */
  since: z.string().nullable(),
  database: z.object({
    growth,
    forecast,
    daily: z.object({ days: z.array(day), bytes: figures, connections: figures }),
  }),
  /** The 10 largest, largest first, or the one that was asked for. */
  tables: z.array(tableTrend),
  jobs: z.array(duration),
});
export type Trends = z.output<typeof trends>;
