import * as z from 'zod';
import { trends as trendsDocument } from '../_shared/trends.ts';
import { keyQueries, levels } from '../health-check/schema.ts';

/**
 * The status snapshot: one document that a health check writes, and that the page, the command line and the webhook read.
 * docs/status.md describes it. Times are ISO 8601 with an offset. Names and texts come from the database: they are text,
 * never markup.
 */
const time = z.string();
const text = z.string();
const count = z.number();

/** What a section lists, worst or newest first, and how much there is of it in all. */
function section<Item extends z.ZodType, More extends z.ZodRawShape>(item: Item, more: More) {
  return z.object({
    /** At most as many as the section has room for. */
    items: z.array(item),
    /** How many there are; null when the section could not be read. */
    total: count.nullable(),
    /** Why the section could not be read; its list is empty then. */
    problem: text.nullable(),
    ...more,
  });
}

const run = z.object({
  id: text,
  /** running, continued, interrupted, succeeded, partial, failed, skipped or lost. */
  status: text,
  dryRun: z.boolean(),
  trigger: text,
  requestedBy: text.nullable(),
  startedAt: time,
  /** Null while it is under way. */
  finishedAt: time.nullable(),
});
export type StatusRun = z.output<typeof run>;

const jobStates = [
  'ok',
  'running',
  'partial',
  'interrupted',
  'neverRan',
  'failed',
  'lost',
  'missed',
  'notUsed',
] as const;

const storedSchedule = z.object({
  name: text,
  /** Five fields, as pg_cron reads them; on AWS an expression of EventBridge Scheduler. */
  cron: text,
  timeZone: text,
});

const schedule = storedSchedule.extend({
  /** In words: At 02:00. */
  words: text,
  nextDueAt: time.nullable(),
});

const storedJob = z.object({
  job: text,
  /** What it is for, in a sentence. */
  purpose: text,
  state: z.enum(jobStates),
  /** The schedules, where the database starts the job; complete.ts adds those of AWS. */
  schedules: z.array(storedSchedule),
  /** The last that was neither dry nor of a few subjects. */
  lastRun: run.nullable(),
  /** Of that run, without secrets; null when it has none. */
  lastError: z.object({ code: text, message: text, hint: text.nullable() }).nullable(),
  lastSuccessAt: time.nullable(),
  usualDurationMs: count.nullable(),
  failedInRow: count,
  partialInRow: count,
  lostInRow: count,
  /** The newest 30 first. */
  runs: z.array(run),
});

const job = storedJob.extend({
  schedules: z.array(schedule),
  /** The first of its schedules; null where they are not known. */
  nextDueAt: time.nullable(),
});
export type StatusJob = z.output<typeof job>;

/**
 * kept: nothing is left that is due. behind: rows are left, and each run takes some; one that is out of time is behind.
 * stalled: rows are left and no run takes any. held: all that is left is still needed, or not let go. unknown: what is
 * left could not be counted, or no run has been there. off: the policy is switched off.
 */
const verdicts = ['stalled', 'unknown', 'behind', 'held', 'kept', 'off'] as const;

const heldRows = z.object({
  why: z.enum(['needed', 'kept', 'refused', 'undecided']),
  /** The foreign key, trigger or constraint; null for rows that are not decided. */
  by: text.nullable(),
  rows: count,
});

const policy = z.object({
  table: text,
  dropAfter: text,
  verdict: z.enum(verdicts),
  /** The verdict in words, with its figures. */
  sentence: text,
  /** Since when it is so; null where it is kept, off, or was never otherwise. */
  since: time.nullable(),
  /** Rows that are due and still there, without those that the policy lets stay; null when they could not be counted, never 0. */
  residue: count.nullable(),
  /** Whether that is an estimate. */
  estimated: z.boolean(),
  /** When the oldest row that is left became due. */
  oldestDueAt: time.nullable(),
  /** By how much the residue shrinks from night to night; negative where it grows, null before two nights are known. */
  rowsPerNight: count.nullable(),
  /** Until nothing is left; null where it does not shrink. */
  nightsLeft: count.nullable(),
  /** The end of the run that the figures are from. */
  countedAt: time.nullable(),
  /** That run. */
  runId: text.nullable(),
  purgedLast: count.nullable(),
  /** Rows that stay, by what keeps them; most rows first. */
  held: z.array(heldRows),
  /** SQL, or a sentence. */
  fix: text.nullable(),
  /** What the last run of each day left, oldest first; null: not counted. Of the worst 50 tables. */
  backlog: z.array(z.object({ day: text, rows: count.nullable() })),
});
export type StatusPolicy = z.output<typeof policy>;

const viewStates = ['stale', 'unknown', 'gone', 'fresh', 'off'] as const;

const view = z.object({
  view: text,
  state: z.enum(viewStates),
  refreshedAt: time.nullable(),
  /** Its data is known to be that of this moment or a later one. */
  dataAsOf: time.nullable(),
  /** Since then, when the snapshot was taken; null when it is not known. */
  ageSeconds: count.nullable(),
  /** What its policy allows. */
  budgetSeconds: count,
  usualDurationMs: count.nullable(),
  /** Tables, and views of this list or of none, that its query reads, also through ordinary views. */
  reads: z.array(text),
  readsTotal: count,
});
export type StatusView = z.output<typeof view>;

const partition = z.object({
  name: text,
  /** Null without a bound. */
  from: time.nullable(),
  to: time.nullable(),
  state: z.enum(['attached', 'retired']),
  /** Of a retired one; null when it is kept. */
  dropsAt: time.nullable(),
});

const partitionedTable = z.object({
  table: text,
  enabled: z.boolean(),
  /** The length of a partition. */
  interval: text,
  /** How long rows stay; null: for ever. */
  retention: text.nullable(),
  /** The end of the partitions that follow each other without a gap from now; null without one for now. */
  horizon: time.nullable(),
  /** Whether the last partition has no end, so that there always is one; the horizon is null then. */
  endless: z.boolean(),
  /** Null without a default partition, and when they were not counted; 10,000 stands for as many or more. */
  defaultPartitionRows: count.nullable(),
  /** The newest of them in order of time, and how many there are, those retired included. */
  partitions: z.array(partition),
  partitionsTotal: count,
  /** Retired partitions that will be dropped, the next one first. */
  nextDrops: z.array(z.object({ name: text, dropsAt: time, sizeBytes: count })),
  nextDropsTotal: count,
  /** Why the policy does not fit its table any more. */
  problem: text.nullable(),
});
export type StatusPartitions = z.output<typeof partitionedTable>;

const finding = z.object({
  check: text,
  title: text,
  /** Why it matters. */
  why: text,
  /** Null when the whole check could not run. */
  subject: text.nullable(),
  level: z.enum(levels),
  value: z.number().nullable(),
  unit: z.enum(['percent', 'bytes', 'seconds', 'milliseconds', 'days', 'times', 'count']),
  /** Which way is worse. */
  worse: z.enum(['higher', 'lower']),
  /** The threshold of its level; null for unknown. */
  threshold: z.number().nullable(),
  /** Since when it has not been ok. */
  since: time,
  /** Since when it has this level. */
  levelSince: time,
  detail: text.nullable(),
  /** SQL that mends it, or the first step towards that. */
  fix: text.nullable(),
  /** When the check last looked: those that are not quick look once a night. */
  checkedAt: time,
});
export type StatusFinding = z.output<typeof finding>;

const headlineLevels = ['ok', 'warning', 'critical'] as const;
export type HeadlineLevel = (typeof headlineLevels)[number];

/** What nightshift.read_status returns. */
export const storedStatus = z.object({
  version: z.literal(1),
  takenAt: time,
  /** From then on the snapshot counts as old: the next should have been there long before. */
  oldAfter: time,
  /** The health check that took it. */
  runId: text,
  /** When it was read, by the clock of the database, and how old it was then. */
  readAt: time,
  ageSeconds: count,
  isOld: z.boolean(),
  database: z.object({
    name: text,
    serverVersion: text,
    bytes: count.nullable(),
    /** Nothing can be written when it is read: no run can begin, and no snapshot be taken. */
    readOnly: z.boolean(),
  }),
  projectUrl: text.nullable(),
  paused: z.object({ since: time.nullable(), reason: text.nullable() }).nullable(),
  /** The end of the last pause; null when there was none. */
  pauseEnded: z.object({ at: time, by: text.nullable() }).nullable().default(null),
  headline: z.object({
    level: z.enum(headlineLevels),
    text,
    /** Null when all is well. */
    since: time.nullable(),
  }),
  jobs: section(storedJob, {}),
  /** Worst first. */
  retention: section(policy, { counts: z.partialRecord(z.enum(verdicts), count).default({}) }),
  views: section(view, {}),
  partitions: section(partitionedTable, {}),
  /** What is not ok, worst first. */
  health: section(finding, {
    /** Of the checks. */
    counts: z.partialRecord(z.enum(levels), count).default({}),
    /** The checks that found nothing. */
    healthy: z
      .array(z.object({ check: text, title: text, healthy: text, checkedAt: time }))
      .default([]),
  }),
  /** The largest tables. */
  trends: section(trendsDocument.shape.tables.element, {
    since: time.nullable().default(null),
    database: trendsDocument.shape.database.nullable().default(null),
    jobs: trendsDocument.shape.jobs.default([]),
  }),
  /** Key queries. */
  queries: section(keyQueries.element, {}),
});
export type StoredStatus = z.output<typeof storedStatus>;

/** What `GET /status.json` and `nightshift status --json` answer, and the page shows: made by complete.ts. */
export const status = storedStatus.extend({ jobs: section(job, {}) });
export type Status = z.output<typeof status>;
