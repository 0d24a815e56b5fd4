import * as z from 'zod';
import type { ErrorDocument } from '../_shared/errors.ts';
import type { Fix } from '../_shared/fix.ts';

export const vacuumInput = z.strictObject({
  /** Report what would be vacuumed and why, and vacuum nothing. */
  dryRun: z.boolean().default(false),
  /** These tables, named as SQL writes them, whether they need it or not; without it, all that need it. */
  only: z
    .array(z.string().regex(/^[^\0]+$/, 'must not be empty or contain NUL'))
    .min(1)
    .optional(),
  /** Rebuild these indexes, named as SQL writes them; without `only`, the run then vacuums nothing. */
  reindex: z
    .array(z.string().regex(/^[^\0]+$/, 'must not be empty or contain NUL'))
    .min(1)
    .optional(),
});
export type VacuumInput = z.output<typeof vacuumInput>;

/** Why a table needs a vacuum; nightshift.vacuum_states explains each. */
const needOf = z.enum(['purged', 'dead_rows', 'freeze', 'statistics', 'asked']);

const holder = z.object({
  /** In words. */
  holder: z.string(),
  xids: z.number(),
  since: z.string(),
  fix: z.string(),
});
export type Holder = z.output<typeof holder>;

const tableFacts = z.object({
  table: z.string(),
  partitioned: z.boolean(),
  reason: needOf,
  /** The reason in words. */
  detail: z.string(),
  deadRows: z.number(),
  liveRows: z.number(),
  freezeAge: z.number().nullable(),
  sizeBytes: z.number(),
  /** What a run executes. */
  statement: z.string(),
  /** The statement that lets Supabase Cron do it instead. */
  schedule: z.string(),
  mayVacuum: z.boolean(),
  /** The statement that keeps autovacuum from giving the end of a purged table back under a lock. */
  advice: z.string().nullable(),
});
export type TableFacts = z.output<typeof tableFacts>;
export const listOfTableFacts = z.array(tableFacts);

export const listOfVacuumPolicies = z.array(
  z.object({
    table: z.string(),
    maxDeadFraction: z.number().nullable(),
    enabled: z.boolean(),
    gone: z.boolean(),
  }),
);
export type VacuumPolicy = z.output<typeof listOfVacuumPolicies>[number];

export const vacuumPlan = z.object({
  /** In the order of their turns. */
  tables: listOfTableFacts,
  /** Who has kept dead rows from being removed for minutes. */
  heldBy: holder.nullable(),
});

export const beginVacuumAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('ready'), statement: z.string() }),
  z.object({ outcome: z.literal('denied'), fix: z.string() }),
  z.object({ outcome: z.literal('gone') }),
  z.object({ outcome: z.literal('not_due') }),
]);

const session = z.object({ pid: z.number(), application: z.string().nullable(), role: z.string() });
export type Session = z.output<typeof session>;

export const watchVacuumAnswer = z.discriminatedUnion('outcome', [
  z.object({
    outcome: z.literal('running'),
    pages: z.number().nullable(),
    pagesTotal: z.number().nullable(),
  }),
  z.object({ outcome: z.literal('cancelled'), for: session.nullable() }),
  z.object({ outcome: z.literal('over') }),
]);

const vacuumed = z.object({
  outcome: z.enum(['vacuumed', 'not_analyzed', 'held']),
  reason: needOf,
  detail: z.string(),
  vacuumedMs: z.number(),
  deadRowsBefore: z.number(),
  deadRowsAfter: z.number(),
  freezeAgeBefore: z.number().nullable(),
  freezeAgeAfter: z.number().nullable(),
  heldBy: holder.nullable(),
});
export type Vacuumed = z.output<typeof vacuumed>;

export const finishVacuumAnswer = z.discriminatedUnion('outcome', [
  vacuumed,
  z.object({ outcome: z.literal('unfinished'), autovacuum: z.boolean() }),
  z.object({ outcome: z.literal('gone') }),
]);
export type FinishReindexAnswer = z.output<typeof finishReindexAnswer>;
export type FinishVacuumAnswer = z.output<typeof finishVacuumAnswer>;

/** runs.progress: what earlier attempts of the run did, by table. */
export const vacuumProgress = z.object({
  steps: z
    .record(z.string(), z.union([vacuumed, z.object({ timeouts: z.number().default(0) })]))
    .default({}),
});
export type VacuumProgress = z.output<typeof vacuumProgress>['steps'];

const problem = z.object({ reason: z.string(), detail: z.string(), fix: z.string() });

const indexFacts = z.object({
  index: z.string(),
  table: z.string(),
  sizeBytes: z.number(),
  tableBytes: z.number(),
  /** What a run executes. */
  statement: z.string(),
  /** Why it cannot be rebuilt, whenever it is tried. */
  problem: problem.nullable(),
});
export type IndexFacts = z.output<typeof indexFacts>;
export const listOfIndexFacts = z.array(indexFacts);

/** Statements that remove what a rebuilding has left. */
const drops = z.array(z.string());

export const beginReindexAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('ready'), statement: z.string(), drops }),
  problem.extend({ outcome: z.literal('blocked') }),
  z.object({ outcome: z.literal('gone') }),
]);

const rebuilt = z.object({
  rebuiltMs: z.number(),
  bytesBefore: z.number(),
  bytesAfter: z.number(),
});
export type Rebuilt = z.output<typeof rebuilt>;

export const finishReindexAnswer = z.discriminatedUnion('outcome', [
  rebuilt.extend({ outcome: z.literal('rebuilt'), drops }),
  z.object({ outcome: z.literal('unfinished'), tries: z.number(), drops }),
  z.object({ outcome: z.literal('gone'), drops }),
]);

/** runs.progress: what earlier attempts of the run did, by index. */
export const reindexProgress = z.object({
  indexes: z.record(z.string(), z.union([rebuilt, z.object({ tries: z.number() })])).default({}),
});
export type ReindexProgress = z.output<typeof reindexProgress>['indexes'];

/** Why the run did or did not vacuum a table, besides why it needs it. */
export type StepReason =
  | z.output<typeof needOf>
  /** Dead rows stay, because someone may still see them. */
  | 'held'
  /** Another session or autovacuum has the lock. */
  | 'locked'
  /** The vacuum was cancelled, because someone waited for a lock that it had. */
  | 'gave_way'
  /** The owner of the schema nightshift may not vacuum it. */
  | 'denied'
  /** There is no direct connection, or it cannot be used. */
  | 'no_connection'
  /** It was dropped meanwhile. */
  | 'gone'
  /** Autovacuum came first. */
  | 'not_due';

/** What the run did for one table. */
export interface VacuumStep {
  table: string;
  /** `blocked` means that it was skipped or of no use, `waiting` that time ran out, `due` that a real run would vacuum it. */
  status: 'vacuumed' | 'blocked' | 'waiting' | 'failed' | 'skipped' | 'due';
  reason: StepReason;
  /** The reason in words. */
  detail: string;
  /** Of a dry run, or where it has to be executed by hand. */
  statement?: string;
  durationMs?: number;
  deadRowsBefore: number;
  deadRowsAfter?: number;
  freezeAgeBefore: number | null;
  freezeAgeAfter?: number | null;
  heldBy?: Holder;
  /** The statement that keeps autovacuum from locking out readers when it gives the end of a purged table back. */
  advice?: string;
  error?: ErrorDocument;
  fixes: Fix[];
}

/** What the run did for one index. */
export interface IndexStep {
  index: string;
  table: string;
  /** As of a step for a table. */
  status: 'rebuilt' | 'blocked' | 'waiting' | 'failed' | 'skipped' | 'due';
  detail: string;
  statement?: string;
  durationMs?: number;
  bytesBefore: number;
  bytesAfter?: number;
  error?: ErrorDocument;
  fixes: Fix[];
}

const bloat = z.object({
  /** The table or the index. */
  relation: z.string(),
  table: z.string(),
  kind: z.enum(['table', 'index']),
  sizeBytes: z.number(),
  /** Neither rows nor the room that is kept free on purpose. */
  bloatBytes: z.number(),
  method: z.enum(['estimate', 'pgstattuple_approx']),
});
export type Bloat = z.output<typeof bloat>;
export const listOfBloat = z.array(bloat);

export interface VacuumReport {
  dryRun: boolean;
  tablesVacuumed: number;
  deadRowsRemoved: number;
  /** Who has kept dead rows from being removed, for minutes or during this run. */
  heldBy: Holder | null;
  /** What is bloated, the most first; null when there was no time to look. */
  bloat: Bloat[] | null;
  /** In the order of their turns. */
  steps: VacuumStep[];
  /** What was to be rebuilt. */
  indexes: IndexStep[];
}
