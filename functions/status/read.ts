import type { Rpc } from '../_shared/rpc.ts';
import { completeStatus } from './complete.ts';
import { type Status, storedStatus } from './schema.ts';

/** Reads the snapshot of the last health check; undefined when none has been taken yet. */
export async function readStatus(rpc: Rpc, projectUrl?: string): Promise<Status | undefined> {
  const stored = await rpc.call('read_status', {}, storedStatus.nullable());
  return stored ? completeStatus(stored, projectUrl) : undefined;
}
