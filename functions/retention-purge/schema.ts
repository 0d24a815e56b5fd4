import * as z from 'zod';
import type { ErrorDocument } from '../_shared/errors.ts';
import type { Fix } from '../_shared/fix.ts';

const relationName = z.string().regex(/^[^\0]+$/, 'must not be empty or contain NUL');

/** What a caller may ask of the purge. */
export const purgeInput = z.strictObject({
  /** Count what would be deleted and why the rest stays, and delete nothing. */
  dryRun: z.boolean().default(false),
  /** Only these tables, named as SQL writes them, schema included; all policies when left out. */
  only: z.array(relationName).min(1).optional(),
  /** Purge these tables even where a policy would remove more than its max_fraction, named like those of only. */
  force: z.array(relationName).default([]),
  /** Whether batches leave room for other work of the database (gentle), or follow each other at once (full). */
  pace: z.enum(['gentle', 'full']).default('gentle'),
});
export type PurgeInput = z.output<typeof purgeInput>;

const policy = z.object({
  relation: z.string(),
  dropAfter: z.string(),
  markerColumn: z.string(),
  flagColumn: z.string().nullable(),
  maxFraction: z.number(),
  /** What the brake said of it in an earlier attempt of the run. */
  refusal: z.string().nullish(),
});
export type Policy = z.output<typeof policy>;

/** What else the server had to do while a call ran. */
const pressure = z.object({
  sessionsAtWork: z.number(),
  /** For a lock, of whomever. */
  sessionsWaiting: z.number(),
  /** Whether an autovacuum to prevent wraparound is under way. */
  preventsWraparound: z.boolean(),
  replicaLagMs: z.number(),
  /** WAL since the last checkpoint as a share of max_wal_size. */
  walShare: z.number(),
});
export type Pressure = z.output<typeof pressure>;

export const purgePlan = z.object({
  /** In the order of their turns. */
  policies: z.array(policy),
  disabled: z.array(z.string()),
  pressure,
});

export const backlog = z.object({
  dueRows: z.number(),
  dueRowsExact: z.boolean(),
  totalRows: z.number(),
  totalRowsExact: z.boolean(),
  oldestDueAt: z.string().nullable(),
  overdueSeconds: z.number().nullable(),
  /** Whether so much may go that the brake has to be asked first. */
  assess: z.boolean().default(false),
});
export type Backlog = z.output<typeof backlog>;

/** What there is to know of a table before its turn. */
export const measuredTable = backlog.extend({
  warnings: z.array(z.string()),
  /** The foreign keys that refer to rows that go by its policy. */
  keys: z.array(
    z.object({
      key: z.string(),
      /** The table that refers. */
      table: z.string(),
      /** What to do when it holds rows; null where the policy says that it may. */
      fix: z.string().nullable(),
      /** Rows that refer have a policy, which this run leaves out. */
      leftOut: z.boolean(),
    }),
  ),
});
export type MeasuredTable = z.output<typeof measuredTable>;

export const measuredTables = z.array(measuredTable).min(1);

const listedPolicy = policy.omit({ refusal: true }).extend({
  /** Foreign keys whose rows go along, are released, or may keep what they refer to: public.items(order_id). */
  withChildren: z.array(z.string()),
  release: z.array(z.string()),
  keep: z.array(z.string()),
  enabled: z.boolean(),
  lastPurgedAt: z.string().nullable(),
  lastPurgedRows: z.number().nullable(),
  problem: z
    .object({ code: z.string(), message: z.string(), hint: z.string().nullable() })
    .optional(),
  warnings: z.array(z.string()).default([]),
  ...backlog.partial().shape,
});
export const listedPolicies = z.array(listedPolicy);

const plannedKey = z.object({
  key: z.string(),
  /** The table that refers, and the columns with which it does. */
  table: z.string(),
  columns: z.string(),
  /** The key that leads to the children that it refers to; null when it refers to the table itself. */
  under: z.string().nullable(),
  role: z.enum(['child', 'release', 'keep', 'hold']),
  /** Whether rows that refer may go by a policy of their own. */
  ownPolicy: z.boolean(),
  /** Rows that go along or are released, or due rows that are held; null where that cannot be known quickly. */
  rows: z.number().nullable(),
  rowsExact: z.boolean(),
  /** Whether there may be more: several keys lead to what it refers to, and only the one it hangs under was followed. */
  rowsInPart: z.boolean().default(false),
  /** The statement that makes the missing index. */
  createIndex: z.string().nullable(),
  fix: z.string().nullable(),
});
export type PlannedKey = z.output<typeof plannedKey>;

/** What would become of each policy's rows. */
export const plannedPolicies = z.array(
  listedPolicy.extend({
    /** Due rows that nobody holds; missing when the policy is off or has a problem. */
    goes: z.number().optional(),
    goesExact: z.boolean().default(false),
    /** Whether it can be fewer, because a key that may hold rows could not be looked at quickly, or in all ways that lead to it. */
    goesAtMost: z.boolean().default(false),
    /** Why a run would leave the table alone: more would go than its brake allows. */
    refusal: z.string().nullable().default(null),
    /** Whether there was no time to follow all keys. */
    outOfTime: z.boolean().default(false),
    keys: z.array(plannedKey).default([]),
  }),
);
export type PlannedPolicy = z.output<typeof plannedPolicies>[number];

/**
 * The totals of one table over all batches and attempts of a run. A table in a cycle of references can lose rows before
 * its own turn; until then it has rowsPurged alone.
 */
const counts = z.record(z.string(), z.number()).default({});
const purgeTotals = z.object({
  rowsPurged: z.number().default(0),
  /** Rows that went along, by table. */
  children: counts,
  /** References that were set to null or default, by table. */
  released: counts,
  rowsBlocked: z.number().default(0),
  blockedBy: counts,
  rowsKept: z.number().default(0),
  keptBy: counts,
  rowsRefused: z.number().default(0),
  refusedBy: counts,
  rowsUndecided: z.number().default(0),
  batches: z.number().default(0),
});
export type PurgeTotals = z.output<typeof purgeTotals>;
export const noTotals: PurgeTotals = purgeTotals.parse({});

/** runs.progress of a purge. */
export const purgeProgress = z.object({
  steps: z.record(z.string(), purgeTotals).default({}),
  /** Of walks that delete nothing, to ask the brake. */
  assessments: z.record(z.string(), purgeTotals).default({}),
});
export type PurgeProgress = z.output<typeof purgeProgress>;

export const purgedBatch = z.object({
  step: purgeTotals,
  done: z.boolean(),
  /** What the brake says, when it was asked. */
  refusal: z.string().nullable(),
  /** Whether rows were deleted block by block, at a pace of its own, and not chosen one by one. */
  bySlices: z.boolean(),
  /** Due rows that had to be looked at besides those of the batch. */
  rowsReached: z.number(),
  /** Null after the last batch of a table. */
  pressure: pressure.nullable(),
  durationMs: z.number(),
});
export type PurgedBatch = z.output<typeof purgedBatch>;

/** What the run did for one table. */
export interface PurgeStep {
  relation: string;
  /** As the policy had them when the run began. */
  dropAfter: string;
  markerColumn: string;
  flagColumn: string | null;
  status: 'succeeded' | 'partial' | 'failed';
  /** Rows due when the run began; an estimate unless dueRowsExact. */
  dueRows: number;
  dueRowsExact: boolean;
  /** Rows deleted or, in a dry run, rows that would be. */
  rowsPurged: number;
  /** Rows of other tables that went with them, by table. */
  children: Record<string, number>;
  /** References that were set to null or default, by table, but for those of rows that go themselves. */
  released: Record<string, number>;
  /** Due rows left because a row that stays refers to them. */
  rowsBlocked: number;
  /** By foreign key; a row that several keep counts for each. */
  blockedBy: Record<string, number>;
  /** Due rows that a row which the policy keeps refers to: nobody needs to do anything. */
  rowsKept: number;
  keptBy: Record<string, number>;
  /** Due rows that a trigger or a constraint does not let go. */
  rowsRefused: number;
  refusedBy: Record<string, number>;
  /** Due rows that more rows refer to than a batch can look at. */
  rowsUndecided: number;
  /** Due rows at the end, without those that are kept; an estimate unless rowsLeftExact. */
  rowsLeft: number;
  rowsLeftExact: boolean;
  overdueSeconds: number | null;
  batches: number;
  durationMs: number;
  /** How much of that went into pauses, so that others got on with their work. */
  pacedMs: number;
  /** For what the pauses were made, in words; the longest in all first. */
  pacedFor: string[];
  /** How much of it went into batches that the statement timeout ended. They were rolled back, and tried again with fewer rows; a single row is left undecided. */
  timedOutMs: number;
  /** Why rows are left, in words. */
  reason?: string;
  error?: ErrorDocument;
  /** What to do about rows that are left, and in a dry run about those that would be. */
  fixes: Fix[];
  /** Tables that refer to it and have a policy, which the run was not asked to go by. */
  leftOut: string[];
  warnings: string[];
}

export interface PurgeReport {
  dryRun: boolean;
  rowsPurged: number;
  /** Rows of other tables that went along. */
  childrenPurged: number;
  rowsBlocked: number;
  rowsKept: number;
  rowsLeft: number;
  steps: PurgeStep[];
  /** Tables whose policy is disabled. */
  disabled: string[];
}
