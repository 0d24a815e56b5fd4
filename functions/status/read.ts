import { NightshiftError } from '../_shared/errors.ts';
import type { Rpc } from '../_shared/rpc.ts';
import { completeStatus } from './complete.ts';
import { type Status, storedStatus } from './schema.ts';

/** Reads the snapshot of the last health check; one that nobody has taken yet is an error that says how to take it. */
export async function readStatus(
  rpc: Rpc,
  { projectUrl }: { projectUrl?: string } = {},
): Promise<Status> {
  const stored = await rpc.call('read_status', {}, storedStatus.nullable(), {
    retry: () => false,
  });
  if (stored) return completeStatus(stored, projectUrl);
  throw new NightshiftError('NS404', 'There is no status yet: no health check has run', {
    hint: 'POST /jobs/health-check/runs with {}',
  });
}
