import type * as z from 'zod';
import type { Clock, Deadline } from './clock.ts';
import type { Direct } from './direct.ts';
import type { NightshiftError } from './errors.ts';
import type { RunDocument } from './ledger.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Rpc } from './rpc.ts';

/** All that a job may use; nothing in a job reaches for a global. */
export interface JobContext {
  rpc: Rpc;
  /** For statements that do not fit into the time limit of the API; absent unless it is configured. */
  direct?: Direct | undefined;
  run: RunDocument;
  clock: Clock;
  deadline: Deadline;
  log: Log;
  metrics: Metrics;
  /** Told whenever a part is done; for progress bars. */
  onProgress: (progress: StepProgress) => void;
}

export interface StepProgress {
  subject: string;
  /** What is counted: rows, views. */
  unit: string;
  done: number;
  /** What there is to do in all, as far as known. */
  total: number;
}

export type OutcomeStatus = 'continued' | 'succeeded' | 'partial' | 'failed';

/** What a job returns. `continued` says that time ran out with work left; `error` says why all of it failed. */
export interface Outcome<Report> {
  status: OutcomeStatus;
  report: Report;
  error?: NightshiftError;
}

export interface Job<Input extends { dryRun: boolean }, Report> {
  /** As in the URL, the metrics' service dimension and the ledger. */
  name: string;
  input: z.ZodType<Input> & { shape: Record<string, unknown> };
  /** For the hints of errors: an input as people would send it. */
  example: Partial<Input>;
  run(context: JobContext, input: Input): Promise<Outcome<Report>>;
}

/** What the readers of events need to know of a job. */
export interface JobInterface {
  name: string;
  input: { shape: Record<string, unknown> };
  example: object;
}

export function inputHint({ example }: Pick<JobInterface, 'example'>): string {
  return `Send {}, or ${JSON.stringify(example)}.`;
}
