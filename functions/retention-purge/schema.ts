import * as z from 'zod';
import type { ErrorDocument } from '../_shared/errors.ts';

const relationName = z.string().regex(/^[^\0]+$/, 'must not be empty or contain NUL');

/** What a caller may ask of the purge. */
export const purgeInput = z.strictObject({
  /** Count what would be deleted and why the rest stays, and delete nothing. */
  dryRun: z.boolean().default(false),
  /** Only these tables, named as SQL writes them, schema included; all policies when left out. */
  only: z.array(relationName).min(1).optional(),
  /** Purge these tables even where a policy would remove more than its max_fraction, named like those of only. */
  force: z.array(relationName).default([]),
});
export type PurgeInput = z.output<typeof purgeInput>;

const policy = z.object({
  relation: z.string(),
  dropAfter: z.string(),
  maxFraction: z.number(),
  warnings: z.array(z.string()),
  /** What the brake said of it in an earlier attempt of the run. */
  refusal: z.string().nullish(),
});
export type Policy = z.output<typeof policy>;

export const purgePlan = z.object({
  /** In the order of their turns. */
  policies: z.array(policy),
  disabled: z.array(z.string()),
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

export const listedPolicies = z.array(
  policy.omit({ refusal: true }).extend({
    markerColumn: z.string(),
    flagColumn: z.string().nullable(),
    /** Foreign keys whose rows go along, are released, or may keep what they refer to: public.items(order_id). */
    withChildren: z.array(z.string()),
    release: z.array(z.string()),
    keep: z.array(z.string()),
    enabled: z.boolean(),
    lastPurgedAt: z.string().nullable(),
    lastPurgedRows: z.number().nullable(),
    problem: z.object({ code: z.string(), message: z.string() }).optional(),
    warnings: z.array(z.string()).default([]),
    ...backlog.partial().shape,
  }),
);

/**
 * The totals of one table over all batches and attempts of a run. A table in a cycle of references can lose rows before
 * its own turn; until then it has rowsPurged alone.
 */
const counts = z.record(z.string(), z.number()).default({});
const purgeTotals = z.object({
  rowsPurged: z.number().default(0),
  /** Rows that went along, by table. */
  children: counts,
  /** Rows whose reference was set to null or default, by table. */
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
});

export const purgedBatch = z.object({
  step: purgeTotals,
  done: z.boolean(),
  /** What the brake says, when it was asked. */
  refusal: z.string().nullable(),
  /** Due rows that had to be looked at besides those of the batch. */
  rowsReached: z.number(),
  durationMs: z.number(),
});

/** What the run did for one table. */
export interface PurgeStep {
  relation: string;
  status: 'succeeded' | 'partial' | 'failed';
  /** Rows due when the run began; an estimate unless dueRowsExact. */
  dueRows: number;
  dueRowsExact: boolean;
  /** Rows deleted or, in a dry run, rows that would be. */
  rowsPurged: number;
  /** Rows of other tables that went with them, by table. */
  children: Record<string, number>;
  /** Rows of other tables whose reference was set to null or default, by table. */
  released: Record<string, number>;
  /** Due rows left because a row that stays refers to them. */
  rowsBlocked: number;
  /** rowsBlocked by foreign key. */
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
  /** Why rows are left, in words. */
  reason?: string;
  error?: ErrorDocument;
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
