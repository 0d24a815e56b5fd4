import * as z from 'zod';
import { runDocument, runDocuments, storedError } from '../_shared/ledger.ts';

export const healthInput = z.strictObject({
  /** Run the checks, but write no metrics and keep no figures. */
  dryRun: z.boolean().default(false),
  /** Only these checks; without it, all. */
  only: z
    .array(z.string().regex(/^[a-z_]+$/, 'must be the name of a check'))
    .min(1)
    .optional(),
  /** Only the checks that are cheap and change within minutes. */
  quick: z.boolean().default(false),
});
export type HealthInput = z.output<typeof healthInput>;

/** From best to worst. */
export const levels = ['ok', 'info', 'unknown', 'warning', 'critical'] as const;
export type Level = (typeof levels)[number];

const thresholds = {
  info: z.number().nullable(),
  warning: z.number().nullable(),
  critical: z.number().nullable(),
};

const finding = z.object({
  /** Null when the whole check could not run. */
  subject: z.string().nullable(),
  level: z.enum(levels),
  value: z.number().nullable(),
  detail: z.string().nullable(),
  /** SQL that fixes it, or the first step towards that. */
  fix: z.string().nullable(),
  ...thresholds,
});
export type HealthFinding = z.output<typeof finding>;

const healthCheck = z.object({
  name: z.string(),
  title: z.string(),
  /** The sentence to show when nothing is wrong. */
  healthy: z.string(),
  why: z.string(),
  unit: z.enum(['percent', 'bytes', 'seconds', 'milliseconds', 'days', 'times', 'count']),
  /** Which way is worse. */
  worse: z.enum(['higher', 'lower']),
  quick: z.boolean(),
  ...thresholds,
  /** All its thresholds were removed, so nothing is ever a finding. */
  off: z.boolean(),
  level: z.enum(levels),
  /** The value of the worst subject, which is named next. */
  value: z.number().nullable(),
  subject: z.string().nullable(),
  /** How many subjects there are. */
  measured: z.number(),
  /** The worst 20 of findingsTotal. */
  findings: z.array(finding),
  findingsTotal: z.number(),
  durationMs: z.number(),
});
export type HealthCheck = z.output<typeof healthCheck>;

const jobState = z.object({
  job: z.string(),
  /** When its oldest policy was declared; null when it has none. */
  declaredAt: z.string().nullable(),
  lastRun: z
    .object({
      id: z.string(),
      status: z.string(),
      trigger: z.string(),
      startedAt: z.string(),
      heartbeatAt: z.string().nullable(),
      finishedAt: z.string().nullable(),
      error: storedError.nullish(),
    })
    .nullable(),
  lastSuccessAt: z.string().nullable(),
  /** Before the first success, the seconds since the job was declared. */
  secondsSinceLastSuccess: z.number().nullable(),
  failedInRow: z.number(),
  partialInRow: z.number(),
  lostInRow: z.number(),
  usualDurationMs: z.number().nullable(),
  /** The last that says nothing of the whole job: dry, or of a few subjects. Absent if the schema in the database is older. */
  lastAside: runDocument.nullable().default(null),
  /** What holds a lease now, dry runs as well. */
  underWay: runDocuments.default([]),
});
export type JobState = z.output<typeof jobState>;
export const jobStates = z.array(jobState);

/** What nightshift.get_health and nightshift.check_health return. */
export const healthDocument = z.object({
  at: z.string(),
  serverVersion: z.string(),
  checks: z.array(healthCheck),
  /** Checks for which no time was left. */
  notRun: z.array(z.string()),
  /** In a quick run, the levels that the last full run found for the other checks, without those that were ok. */
  lastLevels: z.record(z.string(), z.enum(levels)).default({}),
  /** Only in a run; null when the ledger is locked. */
  jobs: jobStates.nullish(),
  /** Only in a run. */
  databaseBytes: z.number().optional(),
});
export type HealthDocument = z.output<typeof healthDocument>;

/** What nightshift.describe_key_queries returns. */
export const keyQueries = z.array(
  z.object({
    name: z.string(),
    maxMs: z.number(),
    /** Null before the first time. */
    measuredAt: z.string().nullable(),
    /** Of the last few runs in a row; null when the last could not be run. */
    medianMs: z.number().nullable(),
    minMs: z.number().nullable(),
    /** Null while too few times are known. */
    usualMs: z.number().nullable(),
    /** Blocks that the last run found in shared buffers, and those that it did not. */
    blocksHit: z.number().nullable(),
    blocksRead: z.number().nullable(),
    verdict: z.enum(['usual', 'slower', 'faster']).nullable(),
    /** The verdict came out twice in a row. */
    confirmed: z.boolean().nullable(),
    /** Since when it has been slower or faster. */
    since: z.string().nullable(),
    planHash: z.string().nullable(),
    planChanged: z.boolean().nullable(),
    /** The SQLSTATE, when it could not be run. */
    failure: z.string().nullable(),
    /** The last 30 times, oldest first. */
    points: z.array(z.object({ at: z.string(), minMs: z.number(), medianMs: z.number() })),
  }),
);
export type KeyQuery = z.output<typeof keyQueries>[number];

export interface HealthReport {
  dryRun: boolean;
  quick: boolean;
  /** The worst level of all checks. */
  level: Level;
  /** The number of checks by level. */
  counts: Record<Level, number>;
  /** The checks that are not ok, worst first, each with its worst findings. */
  checks: Pick<
    HealthCheck,
    'name' | 'title' | 'level' | 'why' | 'unit' | 'quick' | 'value' | 'findings' | 'findingsTotal'
  >[];
  /** Checks for which no time was left. */
  notRun: string[];
}
