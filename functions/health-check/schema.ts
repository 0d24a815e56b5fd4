import * as z from 'zod';
import { storedError } from '../_shared/ledger.ts';

/** What a caller may ask of the health check. */
export const healthInput = z.strictObject({
  /** Look, but count no metrics and keep no figures. */
  dryRun: z.boolean().default(false),
  /** Only these checks; all when left out. */
  only: z
    .array(z.string().regex(/^[a-z_]+$/, 'must be the name of a check'))
    .min(1)
    .optional(),
  /** Only what is cheap and changes within minutes. */
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
  /** Null when the check as a whole could not run. */
  subject: z.string().nullable(),
  level: z.enum(levels),
  value: z.number().nullable(),
  detail: z.string().nullable(),
  /** SQL that mends it, or a first step towards that. */
  fix: z.string().nullable(),
  ...thresholds,
});
export type HealthFinding = z.output<typeof finding>;

const healthCheck = z.object({
  name: z.string(),
  title: z.string(),
  /** What to say when nothing is wrong. */
  healthy: z.string(),
  why: z.string(),
  unit: z.enum(['percent', 'bytes', 'seconds', 'milliseconds', 'days', 'times', 'count']),
  /** Which way is worse. */
  worse: z.enum(['higher', 'lower']),
  quick: z.boolean(),
  ...thresholds,
  /** Its thresholds were all taken away: nothing is ever a finding. */
  off: z.boolean(),
  level: z.enum(levels),
  /** Of the worst subject, which is the next. */
  value: z.number().nullable(),
  subject: z.string().nullable(),
  /** How many subjects there are. */
  measured: z.number(),
  /** The worst, at most 20 of findingsTotal. */
  findings: z.array(finding),
  findingsTotal: z.number(),
  durationMs: z.number(),
});
export type HealthCheck = z.output<typeof healthCheck>;

const jobState = z.object({
  job: z.string(),
  /** When its oldest policy was declared; null: it has none. */
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
  /** Before the first success, since the job was declared. */
  secondsSinceLastSuccess: z.number().nullable(),
  failedInRow: z.number(),
  partialInRow: z.number(),
  lostInRow: z.number(),
  usualDurationMs: z.number().nullable(),
});
export type JobState = z.output<typeof jobState>;
export const jobStates = z.array(jobState);

/** What nightshift.get_health and nightshift.check_health return. */
export const healthDocument = z.object({
  at: z.string(),
  serverVersion: z.string(),
  checks: z.array(healthCheck),
  /** No time was left for these. */
  notRun: z.array(z.string()),
  /** Of a quick run: the levels that the last full one found in the other checks; those that were ok are left out. */
  lastLevels: z.record(z.string(), z.enum(levels)).default({}),
  /** Of a run; null when the ledger is locked. */
  jobs: jobStates.nullish(),
  /** Of a run. */
  databaseBytes: z.number().optional(),
});
export type HealthDocument = z.output<typeof healthDocument>;

export interface HealthReport {
  dryRun: boolean;
  quick: boolean;
  /** The worst there is. */
  level: Level;
  /** How many checks came to which level. */
  counts: Record<Level, number>;
  /** Those that are not ok, worst first, each with its worst findings. */
  checks: Pick<
    HealthCheck,
    'name' | 'title' | 'level' | 'why' | 'unit' | 'quick' | 'value' | 'findings' | 'findingsTotal'
  >[];
  /** No time was left for these. */
  notRun: string[];
}
