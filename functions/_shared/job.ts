import type * as z from 'zod';
import type { Clock, Deadline } from './clock.ts';
import type { Direct } from './direct.ts';
import type { NightshiftError } from './errors.ts';
import { callOf } from './fix.ts';
import type { RunDocument } from './ledger.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Rpc } from './rpc.ts';
import type { Stop } from './stop.ts';

/** Everything that a job may use. Nothing in a job reaches for a global. */
export interface JobContext {
  rpc: Rpc;
  /** For statements that take longer than the API allows; absent unless configured. */
  direct?: Direct | undefined;
  run: RunDocument;
  clock: Clock;
  /** Passed as well when the run was told to stop; `stop` then says why. */
  deadline: Deadline;
  stop: Pick<Stop, 'why'>;
  log: Log;
  metrics: Metrics;
  /** Called after each part of the work, for progress bars. */
  onProgress: (progress: StepProgress) => void;
}

export interface StepProgress {
  subject: string;
  /** What is counted, such as rows or views. */
  unit: string;
  done: number;
  /** The whole amount, as far as it is known. */
  total: number;
  /** What else there is to say of how it goes. */
  remark?: string | undefined;
}

export type OutcomeStatus = 'continued' | 'succeeded' | 'partial' | 'failed';

/** What a job returns. `continued` means that time ran out with work left; `error` is why all of it failed. */
export interface Outcome<Report> {
  status: OutcomeStatus;
  report: Report;
  error?: NightshiftError;
}

export interface Job<Input extends { dryRun: boolean }, Report> {
  /** The name in the URL, in the ledger, and in the service dimension of the metrics. */
  name: string;
  input: z.ZodType<Input> & { shape: Record<string, unknown> };
  /** A typical input, shown in the hints of errors. */
  example: Partial<Input>;
  run(context: JobContext, input: Input): Promise<Outcome<Report>>;
}

/** What reading an event requires of a job. */
export interface JobInterface {
  name: string;
  input: { shape: Record<string, unknown> };
  example: object;
}

export function inputHint({ name, example }: Pick<JobInterface, 'name' | 'example'>): string {
  return `For example: ${callOf(name, example)}.`;
}
