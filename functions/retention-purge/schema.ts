import * as z from 'zod';
import type { ErrorDocument } from '../_shared/errors.ts';

export const purgeInput = z.strictObject({
  /** Count what would be deleted and why the rest stays, and delete nothing. */
  dryRun: z.boolean().default(false),
  /** Only these tables, schema-qualified and quoted as in SQL; without it, all with a policy. */
  only: z
    .array(z.string().regex(/^[^\0]+$/, 'must not be empty or contain NUL'))
    .min(1)
    .optional(),
  /** Purge even if a policy would remove more than its max_fraction of the table. */
  force: z.boolean().default(false),
});
export type PurgeInput = z.output<typeof purgeInput>;

const policy = z.object({
  relation: z.string(),
  dropAfter: z.string(),
  maxFraction: z.number(),
  warnings: z.array(z.string()),
  /** The other tables of this run that refer to it. */
  referencedBy: z.array(z.string()),
});
export type Policy = z.output<typeof policy>;

export const purgePlan = z.object({
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
});
export type Backlog = z.output<typeof backlog>;

export const listedPolicies = z.array(
  policy.omit({ referencedBy: true }).extend({
    markerColumn: z.string(),
    flagColumn: z.string().nullable(),
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
const purgeTotals = z.object({
  rowsPurged: z.number().default(0),
  rowsBlocked: z.number().default(0),
  blockedBy: z.record(z.string(), z.number()).default({}),
  batches: z.number().default(0),
});
export type PurgeTotals = z.output<typeof purgeTotals>;
export const noTotals: PurgeTotals = purgeTotals.parse({});

/** runs.progress of a purge. */
export const purgeProgress = z.object({
  steps: z.record(z.string(), purgeTotals).default({}),
});

export const purgedBatch = z.object({
  rowsByRelation: z.record(z.string(), z.number()),
  step: purgeTotals,
  done: z.boolean(),
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
  /** Due rows left because a row that stays refers to them. */
  rowsBlocked: number;
  /** rowsBlocked by foreign key. */
  blockedBy: Record<string, number>;
  /** Due rows at the end, blocked ones included; an estimate unless rowsLeftExact. */
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
  rowsBlocked: number;
  rowsLeft: number;
  steps: PurgeStep[];
  /** Tables whose policy is disabled. */
  disabled: string[];
  /** In a dry run, why a real run without force would refuse with NS428. */
  refusals: string[];
}
