import { NightshiftError } from '../_shared/errors.ts';
import type { Rpc } from '../_shared/rpc.ts';
import { completeStatus, type Deployment } from './complete.ts';
import { type Status, storedStatus } from './schema.ts';

/** Reads the snapshot of the last health check; undefined when none has been taken yet. */
export async function readStatus(rpc: Rpc, deployment?: Deployment): Promise<Status | undefined> {
  const stored = await rpc.call('read_status', {}, storedStatus.nullable());
  return stored ? completeStatus(stored, deployment) : undefined;
}

/** As readStatus, for whoever can show nothing without one. */
export async function requireStatus(rpc: Rpc, deployment?: Deployment): Promise<Status> {
  const status = await readStatus(rpc, deployment);
  if (status) return status;
  throw new NightshiftError('NS404', 'There is no status yet: no health check has run', {
    hint: 'POST /jobs/health-check/runs with {}',
  });
}
