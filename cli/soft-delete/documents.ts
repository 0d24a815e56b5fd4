import * as z from 'zod';

const ddlStep = z.object({ statement: z.string(), why: z.string(), lock: z.string() });
export type DdlStep = z.output<typeof ddlStep>;

export const enabled = z.object({
  relation: z.string(),
  done: z.array(ddlStep),
  toDo: z.array(ddlStep),
  advice: z.array(ddlStep),
});
export type Enabled = z.output<typeof enabled>;

/** Without a statement where nothing but a person can mend it. */
const missing = z.object({
  statement: z.string().nullable(),
  why: z.string(),
  lock: z.string().nullable(),
});

export const inspected = z.array(
  z.object({
    relation: z.string(),
    columns: z.record(z.string(), z.string()),
    views: z.boolean(),
    hide: z.boolean(),
    forUsers: z.boolean(),
    cascade: z.array(z.string()),
    missing: z.array(missing),
    advice: z.array(ddlStep),
  }),
);
export type Inspected = z.output<typeof inspected>;

export const disabled = z.object({ relation: z.string(), done: z.array(z.string()) });

/** The value of the primary key, or an object of its columns where it has several. */
const key = z.json();

const failedRow = z.object({
  key,
  code: z.string(),
  constraint: z.string().nullable(),
  raisedIn: z.string().nullable(),
  message: z.string().nullable(),
});
export type FailedRow = z.output<typeof failedRow> & { relation: string };

export const restoredRows = z.object({
  restored: z.number(),
  notDeleted: z.number(),
  notFound: z.number(),
  failed: z.array(failedRow),
  parents: z.number(),
  replaced: z.number(),
});

export const restoredPage = z.object({
  restored: z.record(z.string(), z.number()),
  failed: z.array(failedRow.extend({ relation: z.string() })),
  parents: z.number(),
  replaced: z.number(),
  after: z.json(),
});

export const restoredSincePage = restoredPage.extend({
  restored: z.number(),
  failed: z.array(failedRow),
});

/** Counted where `exact`, otherwise estimated. */
const rowCount = z.object({ rows: z.number(), exact: z.boolean() });
export type RowCount = z.output<typeof rowCount>;

export const deletionStats = z.object({
  active: rowCount,
  deleted: rowCount,
  oldestDeletedAt: z.string().nullable(),
  byDay: z.array(z.object({ day: z.string(), deleted: z.number(), restored: z.number() })),
  restoreRate: z.number().nullable(),
  dueNext7Days: rowCount.nullable(),
  bytes: z.number(),
});
export type DeletionStats = z.output<typeof deletionStats>;

export const restorationPlan = z.object({
  tables: z.array(z.object({ relation: z.string(), rows: z.number() })),
  notDeleted: z.number(),
  notFound: z.number(),
  conflicts: z.array(
    z.object({
      relation: z.string(),
      key,
      kind: z.enum(['unique', 'parent_deleted']),
      constraint: z.string(),
      blocking: key,
    }),
  ),
  moreConflicts: z.boolean(),
});
export type RestorationPlan = z.output<typeof restorationPlan>;
