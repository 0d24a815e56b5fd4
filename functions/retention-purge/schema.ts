import * as z from 'zod';
import type { ErrorDocument } from '../_shared/errors.ts';

/** What a caller may ask of the purge. */
export const purgeInput = z.strictObject({
  /** Count what would go and why the rest stays; delete nothing. */
  dryRun: z.boolean().default(false),
  /** Only these tables, named as SQL writes them, schema included; all policies when left out. */
  only: z
    .array(z.string().regex(/^[^\0]+$/, 'must not be empty or contain NUL'))
    .min(1)
    .optional(),
  /** Purge also where a policy would remove more than its max_fraction of the table. */
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
 * What the ledger holds of one table in one run: totals over all batches, of earlier attempts too. A table can lose
 * rows before its own turn, to a cycle of references; then rowsPurged alone is there.
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
  /** The same by foreign key. */
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
  /** Tables whose policy is switched off. */
  disabled: string[];
  /** In a dry run: what would make a real run refuse with NS428. */
  refusals: string[];
}
