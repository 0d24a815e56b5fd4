import type { NightshiftError } from '../_shared/errors.ts';
import type { DefaultPartition, LockHolder, PartitionStep } from './schema.ts';

/** How a phase ended for one table. The ledger holds what the phase did: see TableProgress. */
export interface PhaseResult {
  error?: NightshiftError;
  /** Another session held a lock to the end. */
  busy: boolean;
  /** Who, if it was a transaction that lasts. */
  holder?: LockHolder | null | undefined;
  outOfTime: boolean;
}

export interface Creation extends PhaseResult {
  /** The table has new partitions, so the one that was its newest may be due. */
  hasGrown: boolean;
}

/** The count of a default partition, which is null when the partition is gone since the plan was made. */
export type Measurement =
  | { outcome: 'counted'; defaultPartition: DefaultPartition | null }
  | { outcome: 'uncounted'; error: NightshiftError }
  | { outcome: 'outOfTime' };

export interface Retirement extends PhaseResult {
  /** Due partitions that stay attached. */
  blocked: PartitionStep['blocked'];
}

export interface RetirementPreview {
  blocked: PartitionStep['blocked'];
  /** Why `blocked` is not known. */
  error?: NightshiftError;
}

export type DropOutcome =
  | { outcome: 'dropped' | 'outOfTime' }
  | { outcome: 'busy'; holder?: LockHolder | null | undefined }
  | { outcome: 'kept'; reason: string }
  | { outcome: 'failed'; error: NightshiftError };

/** What became of a partition whose grace period is over. */
export type DropResult = { partition: string; table: string } & DropOutcome;

/** The results of a run for one table, phase by phase. A phase with nothing to do for the table has no result. */
export interface TableResults {
  finished?: PhaseResult | undefined;
  created?: Creation | undefined;
  measured?: Measurement | undefined;
  /** In a dry run, instead of `retired`. */
  preview?: RetirementPreview | undefined;
  retired?: Retirement | undefined;
  dropped?: DropResult[] | undefined;
  /** The count of the default partition after all the work. */
  measuredAgain?: Measurement | undefined;
}
