import { presenter as healthCheck } from './health-check.ts';
import { presenter as partitionMaintenance } from './partition-maintenance.ts';
import type { Presenter } from './presenter.ts';
import { presenter as retentionPurge } from './retention-purge.ts';
import { presenter as viewRefresh } from './view-refresh.ts';

export const presenters: Record<string, Presenter> = {
  'health-check': healthCheck,
  'partition-maintenance': partitionMaintenance,
  'retention-purge': retentionPurge,
  'view-refresh': viewRefresh,
};
