import * as z from 'zod';
import type { ErrorDocument } from '../_shared/errors.ts';

/** What a caller may ask of the maintenance. */
export const partitionInput = z.strictObject({
  /** Say what would be made, retired and dropped; change nothing. */
  dryRun: z.boolean().default(false),
  /** Only these partitioned tables, named as SQL writes them, schema included; all policies when left out. */
  only: z
    .array(z.string().regex(/^[^\0]+$/, 'must not be empty or contain NUL'))
    .min(1)
    .optional(),
  /** Retire also where a policy would lose more than its max_fraction of the partitions. */
  force: z.boolean().default(false),
});
export type PartitionInput = z.output<typeof partitionInput>;

const period = z.object({ from: z.string().nullable(), to: z.string().nullable() });

const tableState = z.object({
  table: z.string(),
  every: z.string(),
  premake: z.number(),
  /** How far ahead that many partitions reach; absent where the migrations are older. */
  roomDays: z.number().optional(),
  retention: z.string().nullable(),
  retire: z.enum(['detach', 'drop']),
  grace: z.string(),
  enabled: z.boolean(),
  /** Why the policy does not fit its table any more; all that follows is missing then. */
  problem: z.string().optional(),
  fix: z.string().optional(),
  partitions: z.number().default(0),
  /** Until when there is a partition without a gap; null when there is none for now. */
  horizon: z.string().nullable().default(null),
  /** The same in days from now; null when it never ends. */
  horizonDays: z.number().nullable().default(0),
  missing: z.array(period).default([]),
  /** Partitions to be retired. */
  due: z.array(z.string()).default([]),
  /** The newest, which is due when others have been made. */
  dueAfterwards: z.string().nullable().default(null),
  /** Why a run retires none of them, unless it is forced. */
  refusal: z.string().nullable().default(null),
  /** Partitions that ended by then are due. */
  dueBefore: z.string().nullable().default(null),
  defaultPartition: z.string().nullable().default(null),
  /** From it or to it. */
  hasForeignKeys: z.boolean().default(false),
  oversized: z.number().default(0),
  warnings: z.array(z.string()).default([]),
});
export type TableState = z.output<typeof tableState>;

const plannedDrop = z.object({
  partition: z.string(),
  table: z.string(),
  sizeBytes: z.number(),
  /** Why it stays nevertheless. */
  keptBecause: z.string().nullable(),
  hasForeignKeys: z.boolean(),
});
export type PlannedDrop = z.output<typeof plannedDrop>;

export const partitionPlan = z.object({
  tables: z.array(tableState),
  /** Retired partitions whose grace period is over. */
  drops: z.array(plannedDrop),
  /** Partitions that were being detached concurrently when a run ended. */
  unfinished: z.array(z.object({ partition: z.string(), table: z.string() })),
  disabled: z.array(z.string()),
});
export type PartitionPlan = z.output<typeof partitionPlan>;

export const listedPolicies = z.array(
  tableState.extend({
    partitionList: z.array(
      period.extend({
        partition: z.string(),
        isDefault: z.boolean(),
        /** Half detached: its rows cannot be seen through the table. */
        isPending: z.boolean(),
      }),
    ),
    retired: z.array(
      period.extend({
        partition: z.string(),
        sizeBytes: z.number(),
        dropAfter: z.string().nullable(),
        keptBecause: z.string().nullable(),
      }),
    ),
  }),
);
export type ListedPolicy = z.output<typeof listedPolicies>[number];

const createdPartition = period.extend({
  partition: z.string(),
  /** Rows that came from the default partition. */
  rows: z.number(),
  warnings: z.array(z.string()),
});
const retiredPartition = period.extend({
  partition: z.string(),
  sizeBytes: z.number(),
  /** When it may be dropped; null when it is kept. */
  dropAfter: z.string().nullable(),
});
const withReason = z.object({ partition: z.string(), reason: z.string() });
export const listOfReasons = z.array(withReason);

const refused = z.object({ code: z.string(), message: z.string(), hint: z.string() });

export const createAnswers = z.array(
  z.intersection(
    z.object({ table: z.string() }),
    z.discriminatedUnion('outcome', [
      z.object({
        outcome: z.literal('made'),
        created: z.array(createdPartition),
        done: z.boolean(),
        /** How long everyone had to wait, where there is a default partition. */
        lockedMs: z.number(),
      }),
      z.object({ outcome: z.literal('busy') }),
      z.object({ outcome: z.literal('failed'), error: refused }),
    ]),
  ),
);

export const retireAnswer = z.object({
  outcome: z.enum(['retired', 'more', 'busy']),
  blocked: z.array(withReason),
});

export const beginDetachAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('ready'), partition: z.string(), statement: z.string() }),
  z.object({ outcome: z.literal('done'), blocked: z.array(withReason) }),
]);

export const finishDetachAnswer = z.object({ outcome: z.enum(['retired', 'nothing', 'busy']) });

export const dropAnswers = z.array(
  z.intersection(
    z.object({ partition: z.string() }),
    z.discriminatedUnion('outcome', [
      z.object({ outcome: z.literal('kept'), reason: z.string() }),
      z.object({ outcome: z.enum(['dropped', 'busy']) }),
    ]),
  ),
);

export const defaultPartition = z
  .object({
    partition: z.string(),
    rows: z.number(),
    /** Those that have a place, which a run makes for them. */
    movableRows: z.number(),
    /** All the partitions that a run makes. */
    wanted: z.array(period.extend({ rows: z.number() })),
  })
  .nullable();
export type DefaultPartition = NonNullable<z.output<typeof defaultPartition>>;

/** What the run did for one table; a dry run, what it would do. */
export interface PartitionStep {
  table: string;
  /** waiting: time ran out before it was done. */
  status: 'succeeded' | 'partial' | 'failed' | 'waiting';
  /** Without a name in a dry run. */
  created: { partition?: string; from: string | null; to: string | null; rows: number }[];
  retired: { partition: string; dropAfter?: string | null; sizeBytes?: number }[];
  /** Due, and still attached. */
  blocked: { partition: string; reason: string }[];
  dropped: { partition: string; sizeBytes: number }[];
  /** Their grace period is over, and they are still there. */
  kept: { partition: string; reason: string }[];
  horizon: string | null;
  horizonDays: number | null;
  /** Intervals up to the horizon, and gaps, that are still without a partition. */
  missing: number;
  defaultPartition: Omit<DefaultPartition, 'wanted'> | null;
  error?: ErrorDocument;
  warnings: string[];
}

export interface PartitionReport {
  dryRun: boolean;
  partitionsCreated: number;
  partitionsRetired: number;
  partitionsDropped: number;
  rowsMoved: number;
  steps: PartitionStep[];
  /** Tables whose policy is switched off. */
  disabled: string[];
}

const tableProgress = z.object({
  created: z.array(createdPartition).default([]),
  retired: z.array(retiredPartition).default([]),
  dropped: z.array(z.object({ partition: z.string(), sizeBytes: z.number() })).default([]),
});
/** What a run did to one table, over all its attempts. The ledger gets it in the transaction that does the work. */
export type TableProgress = z.output<typeof tableProgress>;
export const noProgress: TableProgress = tableProgress.parse({});

/** runs.progress of partition maintenance. */
export const partitionProgress = z.object({
  steps: z.record(z.string(), tableProgress).default({}),
});
