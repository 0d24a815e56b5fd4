import type { NightshiftError } from '../_shared/errors.ts';
import type { DefaultPartition, PartitionStep } from './schema.ts';

/** How a phase ended for one table. What the phase did is in the ledger: see TableProgress. */
export interface PhaseResult {
  error?: NightshiftError;
  /** Another session held a lock to the end. */
  busy: boolean;
  outOfTime: boolean;
}

export interface Creation extends PhaseResult {
  /** The table has new partitions, so the one that was its newest may be due. */
  hasGrown: boolean;
}

/** What is in the default partition of a table; null when it has gone since the plan. */
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
  /** Why it is not known which of them stay. */
  error?: NightshiftError;
}

export type DropOutcome =
  | { outcome: 'dropped' | 'busy' | 'outOfTime' }
  | { outcome: 'kept'; reason: string }
  | { outcome: 'failed'; error: NightshiftError };

/** What became of a partition whose grace period is over. */
export type DropResult = { partition: string; table: string } & DropOutcome;

/** The night of one table, phase by phase; a phase that had nothing to do for it has no result. */
export interface TableResults {
  finished?: PhaseResult | undefined;
  created?: Creation | undefined;
  measured?: Measurement | undefined;
  /** Of a dry run, in place of `retired`. */
  preview?: RetirementPreview | undefined;
  retired?: Retirement | undefined;
  dropped?: DropResult[] | undefined;
  /** The default partition once more, after all the work. */
  measuredAgain?: Measurement | undefined;
}
