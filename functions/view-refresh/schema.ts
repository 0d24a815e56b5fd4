import * as z from 'zod';
import type { ErrorDocument } from '../_shared/errors.ts';
import type { Fix } from '../_shared/fix.ts';

/** In the words of whoever asks, over HTTP and on the command line. */
const parallel = 'It takes a whole number from 1 to 8.';

export const refreshInput = z
  .strictObject({
    /** Report what would be refreshed and why, and refresh nothing. */
    dryRun: z.boolean().default(false),
    /** Only these views, schema-qualified and quoted as in SQL; without it, all with a policy. */
    only: z
      .array(z.string().regex(/^[^\0]+$/, 'must not be empty or contain NUL'))
      .min(1)
      .optional(),
    /** With `only`: also the views that these read. */
    ancestors: z.boolean().default(false),
    /** With `only`: also the views that read these. */
    descendants: z.boolean().default(false),
    /** Refresh even views that have not changed, or were refreshed seconds ago. */
    force: z.boolean().default(false),
    parallelism: z.int(parallel).min(1, parallel).max(8, parallel).default(2),
  })
  .refine(({ only, ancestors, descendants }) => only || !(ancestors || descendants), {
    error: 'ancestors and descendants go with only',
  });
export type RefreshInput = z.output<typeof refreshInput>;

/** Why a view does or does not need a refresh; nightshift.assess_view explains each. */
const reasonOf = z.enum(['never', 'stale', 'changed', 'unchanged', 'recent', 'gone']);

const refreshed = z.object({
  outcome: z.literal('refreshed'),
  reason: z.enum(['never', 'stale', 'changed', 'forced']),
  detail: z.string(),
  mode: z.enum(['concurrently', 'plain']),
  startedAt: z.string(),
  durationMs: z.number(),
  rows: z.number(),
  sizeBytes: z.number(),
  deadRows: z.number(),
});
export type Refreshed = z.output<typeof refreshed>;

export const refreshAnswer = z.discriminatedUnion('outcome', [
  refreshed,
  z.object({ outcome: z.enum(['unchanged', 'recent', 'busy', 'vacuum']), detail: z.string() }),
]);

const viewFacts = z.object({
  view: z.string(),
  enabled: z.boolean(),
  reason: reasonOf,
  detail: z.string(),
  maxStaleness: z.string(),
  lastRefreshedAt: z.string().nullable(),
  lastRefreshMs: z.number().nullable(),
  /** The other views with a policy that it reads. */
  dependsOn: z.array(z.string()),
  warnings: z.array(z.string()),
  /** Everything below is missing when the view is gone. */
  stalenessSeconds: z.number().optional(),
  maxStalenessSeconds: z.number().optional(),
  dataAsOf: z.string().nullable().optional(),
  usualMs: z.number().nullable().optional(),
  /** The last refresh ran into its time limit. */
  timedOut: z.boolean().default(false),
  /** An earlier attempt of this run did. */
  timedOutInRun: z.boolean().default(false),
  mode: z.enum(['concurrently', 'plain']).optional(),
  modeReason: z.string().optional(),
  /** Why it cannot be refreshed at all. */
  problem: z.string().optional(),
  fix: z.string().optional(),
  /** In a run: `only` names the view. */
  selected: z.boolean().default(false),
  /** In a run: what an earlier attempt of the same run did. */
  refreshed: refreshed.nullable().default(null),
});
export type ViewFacts = z.output<typeof viewFacts>;
export const listOfViewFacts = z.array(viewFacts);

export const refreshPlan = z.object({
  views: listOfViewFacts,
  /** From the start of the last scheduled run to that of this one. */
  secondsSinceLastSchedule: z.number().nullable(),
});

/** Why the run did or did not refresh a view. */
export type StepReason =
  | z.output<typeof reasonOf>
  /** The caller asked for it with force. */
  | 'forced'
  /** A view it reads is refreshed first. */
  | 'upstream'
  /** It changed, but the next scheduled run will still be in time, for its readers too. */
  | 'fresh'
  /** A view it reads was not refreshed. */
  | 'blocked'
  /** Another session is refreshing it. */
  | 'busy'
  /** Autovacuum is at work on it, and its data is still within max_staleness. */
  | 'vacuum';

/** How a refresh reaches the database: over the Data API, or over the direct connection. */
export type Transport = 'api' | 'direct';

/** What the run did for one view. */
export interface RefreshStep {
  view: string;
  /** `skipped` means that it needed no refresh, `waiting` that time ran out, `due` that a real run would refresh it. */
  status: 'refreshed' | 'skipped' | 'failed' | 'blocked' | 'waiting' | 'due';
  reason: StepReason;
  /** The reason in words. */
  detail: string;
  mode?: 'concurrently' | 'plain';
  /** Why in this mode. */
  modeReason?: string;
  transport?: Transport;
  durationMs?: number;
  rows?: number;
  sizeBytes?: number;
  /** Dead rows that the refresh left in the view, for autovacuum. */
  deadRows?: number;
  error?: ErrorDocument;
  /** What to do when it was not refreshed; an error has it in its hint. */
  fixes: Fix[];
  /** About the policy and its view; they stand until someone mends it. */
  warnings: string[];
  /** What this run alone has met. */
  notices: string[];
}

export interface RefreshReport {
  dryRun: boolean;
  viewsRefreshed: number;
  viewsUnchanged: number;
  /** The requested views that exceed their max_staleness at the end. */
  stale: { view: string; stalenessSeconds: number; maxStalenessSeconds: number }[];
  /** In the order of what they read. */
  steps: RefreshStep[];
  /** Views whose policy is disabled; empty when `only` named views. */
  disabled: string[];
}
