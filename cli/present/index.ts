import type { Rpc } from '../../functions/_shared/rpc.ts';
import { presenter as healthCheck } from './health-check.ts';
import { presenter as partitionMaintenance } from './partition-maintenance.ts';
import { presenter as retentionPurge } from './retention-purge.ts';
import { presenter as viewRefresh } from './view-refresh.ts';

/** A document for scripts, and the same for people. */
interface Shown {
  document: unknown;
  show(): void;
}

/** How the command line shows a job. */
export interface Presenter<Report = never> {
  title: string;
  showReport(report: Report): void;
  /** What is declared, where a job goes by policies. */
  policies?(rpc: Rpc): Promise<Shown>;
  /** What the next run would do, where a job plans ahead. */
  plan?(rpc: Rpc): Promise<Shown>;
}

export const presenters: Record<string, Presenter> = {
  'health-check': healthCheck,
  'partition-maintenance': partitionMaintenance,
  'retention-purge': retentionPurge,
  'view-refresh': viewRefresh,
};
