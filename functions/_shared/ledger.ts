import * as z from 'zod';
import { type ErrorDocument, NightshiftError } from './errors.ts';

export const triggers = ['schedule', 'http', 'alarm', 'event', 'cli'] as const;

export const runDocument = z.object({
  id: z.string(),
  job: z.string(),
  trigger: z.enum(triggers),
  dryRun: z.boolean(),
  status: z.enum([
    'running',
    'continued',
    'interrupted',
    'succeeded',
    'partial',
    'failed',
    'skipped',
    'lost',
  ]),
  attempt: z.number(),
  fence: z.number(),
  input: z.unknown(),
  requestedBy: z.string().nullable(),
  startedAt: z.string(),
  finishedAt: z.string().nullable(),
  // Absent if the schema in the database is older.
  cancelRequestedAt: z.string().nullable().default(null),
  cancelRequestedBy: z.string().nullable().default(null),
  progress: z.record(z.string(), z.unknown()),
  report: z.unknown(),
  error: z.unknown(),
});

/** runs.error, as written by NightshiftError.describe. */
export const storedError: z.ZodType<ErrorDocument> = z.object({
  code: z.string(),
  message: z.string(),
  detail: z.string().optional(),
  hint: z.string().optional(),
});

/** A row of the ledger, as nightshift.describe_run writes it. */
export type RunDocument = z.output<typeof runDocument>;

/** Every write of a run carries its fence, and a stale fence is refused. */
export function leaseOf(run: RunDocument): { run_id: string; fence: number } {
  return { run_id: run.id, fence: run.fence };
}

export const runDocuments = z.array(runDocument);

/** The answer of begin_run and resume_run. */
export const startAnswer = z.object({
  outcome: z.enum(['started', 'duplicate', 'skipped']),
  run: runDocument,
  lost: z.array(z.string()),
});

/** Why a run failed, according to the ledger. */
export function failureOf(run: RunDocument): NightshiftError | undefined {
  if (run.status !== 'failed' && run.status !== 'lost') return undefined;
  const stored = storedError.safeParse(run.error).data;
  const { code, message, ...rest } = stored ?? { code: 'NS500', message: 'The run failed' };
  return new NightshiftError(code, message, rest);
}
