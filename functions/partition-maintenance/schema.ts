import * as z from 'zod';
import type { ErrorDocument } from '../_shared/errors.ts';
import type { Fix } from '../_shared/fix.ts';

export const partitionInput = z.strictObject({
  /** Report what would be created, retired and dropped, and change nothing. */
  dryRun: z.boolean().default(false),
  /** Only these partitioned tables, schema-qualified and quoted as in SQL; without it, all with a policy. */
  only: z
    .array(z.string().regex(/^[^\0]+$/, 'must not be empty or contain NUL'))
    .min(1)
    .optional(),
  /** Retire even if a policy would lose more than its max_fraction of the partitions. */
  force: z.boolean().default(false),
});
export type PartitionInput = z.output<typeof partitionInput>;

const period = z.object({ from: z.string().nullable(), to: z.string().nullable() });

const tableState = z.object({
  table: z.string(),
  every: z.string(),
  premake: z.number(),
  /** How far ahead that many partitions reach; absent if the schema in the database is older. */
  roomDays: z.number().optional(),
  retention: z.string().nullable(),
  retire: z.enum(['detach', 'drop']),
  grace: z.string(),
  enabled: z.boolean(),
  /** Why the policy no longer fits its table. Everything below is missing then. */
  problem: z.string().optional(),
  fix: z.string().optional(),
  partitions: z.number().default(0),
  /** The end of the partitions that follow each other without a gap from now; null without one for now. */
  horizon: z.string().nullable().default(null),
  /** The horizon in days from now; null when the last partition has no end. */
  horizonDays: z.number().nullable().default(0),
  missing: z.array(period).default([]),
  /** Partitions to be retired. */
  due: z.array(z.string()).default([]),
  /** The newest partition, if it becomes due once others are created. */
  dueAfterwards: z.string().nullable().default(null),
  /** Why a run without force retires none of them. */
  refusal: z.string().nullable().default(null),
  /** Partitions that ended before this time are due. */
  dueBefore: z.string().nullable().default(null),
  defaultPartition: z.string().nullable().default(null),
  /** An interrupted run left a constraint on the default partition. */
  excludes: z.boolean().default(false),
  /** Foreign keys from or to the table. */
  hasForeignKeys: z.boolean().default(false),
  oversized: z.number().default(0),
  warnings: z.array(z.string()).default([]),
});
export type TableState = z.output<typeof tableState>;

const plannedDrop = z.object({
  partition: z.string(),
  table: z.string(),
  sizeBytes: z.number(),
  /** Why it is not dropped, if it is not. */
  keptBecause: z.string().nullable(),
  hasForeignKeys: z.boolean(),
});
export type PlannedDrop = z.output<typeof plannedDrop>;

export const partitionPlan = z.object({
  tables: z.array(tableState),
  /** Retired partitions whose grace period is over. */
  drops: z.array(plannedDrop),
  /** Partitions that an earlier run left half detached. */
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
        /** Half detached: its rows are not visible through the table. */
        isPending: z.boolean(),
      }),
    ),
    /** Rows that a run would move out of the default partition; null without one, and where it is too large to be counted. */
    movableRows: z.number().nullable().default(null),
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

/** A transaction that lasts and has a lock that is needed. */
const lockHolder = z.object({
  relation: z.string(),
  /** Null for a prepared transaction. */
  pid: z.number().nullable(),
  application: z.string().nullable(),
  role: z.string().nullable(),
  since: z.string(),
});
export type LockHolder = z.output<typeof lockHolder>;
const busy = { outcome: z.literal('busy'), holder: lockHolder.nullish() };

const refused = z.object({ code: z.string(), message: z.string(), hint: z.string() });

export const createAnswers = z.array(
  z.intersection(
    z.object({ table: z.string() }),
    z.discriminatedUnion('outcome', [
      z.object({
        outcome: z.literal('made'),
        created: z.array(createdPartition),
        done: z.boolean(),
        /** How long other sessions had to wait, if there is a default partition. */
        lockedMs: z.number(),
      }),
      z.object(busy),
      z.object({ outcome: z.literal('failed'), error: refused }),
    ]),
  ),
);

export const exclusionAnswer = z.object({ outcome: z.enum(['excluded', 'nothing', 'busy']) });
export const validationAnswer = z.object({ outcome: z.enum(['validated', 'refused']) });
export const releaseAnswer = z.object({ outcome: z.enum(['released', 'busy']) });

export const retireAnswer = z.object({
  outcome: z.enum(['retired', 'more', 'busy']),
  holder: lockHolder.nullish(),
  blocked: z.array(withReason),
});

export const beginDetachAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('ready'), partition: z.string(), statement: z.string() }),
  z.object({ outcome: z.literal('done'), blocked: z.array(withReason) }),
  z.object({ ...busy, blocked: z.array(withReason) }),
  z.object({ outcome: z.literal('lock') }),
]);

export const finishDetachAnswer = z.object({ outcome: z.enum(['retired', 'nothing', 'busy']) });

export const dropAnswers = z.array(
  z.intersection(
    z.object({ partition: z.string() }),
    z.discriminatedUnion('outcome', [
      z.object({ outcome: z.literal('kept'), reason: z.string() }),
      z.object({ outcome: z.literal('dropped') }),
      z.object(busy),
    ]),
  ),
);

export const defaultPartition = z
  .object({
    partition: z.string(),
    rows: z.number(),
    /** Rows that fit into a partition which a run would create. */
    movableRows: z.number(),
    /** All partitions that a run would create. */
    wanted: z.array(period.extend({ rows: z.number() })),
  })
  .nullable();
export type DefaultPartition = NonNullable<z.output<typeof defaultPartition>>;

/** What the run did for one table, or would do if it is a dry run. */
export interface PartitionStep {
  table: string;
  /** `waiting` means that time ran out, or that the run was stopped. */
  status: 'succeeded' | 'partial' | 'failed' | 'waiting';
  /** Partitions have no name in a dry run. */
  created: { partition?: string; from: string | null; to: string | null; rows: number }[];
  retired: { partition: string; dropAfter?: string | null; sizeBytes?: number }[];
  /** Due partitions that are still attached. */
  blocked: { partition: string; reason: string }[];
  dropped: { partition: string; sizeBytes: number }[];
  /** Retired partitions that stay although their grace period is over. */
  kept: { partition: string; reason: string }[];
  horizon: string | null;
  horizonDays: number | null;
  /** The number of intervals that still have no partition. */
  missing: number;
  defaultPartition: Omit<DefaultPartition, 'wanted'> | null;
  error?: ErrorDocument;
  /** What to do about what is left undone; an error has it in its hint. */
  fixes: Fix[];
  /** About the policy and its table; they stand until someone mends it. */
  warnings: string[];
  /** What this run alone has met. */
  notices: string[];
}

export interface PartitionReport {
  dryRun: boolean;
  partitionsCreated: number;
  partitionsRetired: number;
  partitionsDropped: number;
  rowsMoved: number;
  steps: PartitionStep[];
  /** Tables whose policy is disabled. */
  disabled: string[];
}

const tableProgress = z.object({
  created: z.array(createdPartition).default([]),
  retired: z.array(retiredPartition).default([]),
  dropped: z.array(z.object({ partition: z.string(), sizeBytes: z.number() })).default([]),
});
/** What a run did to one table, over all its attempts. It is recorded in the transaction that does the work. */
export type TableProgress = z.output<typeof tableProgress>;
export const noProgress: TableProgress = tableProgress.parse({});

/** runs.progress of partition maintenance. */
export const partitionProgress = z.object({
  steps: z.record(z.string(), tableProgress).default({}),
});
