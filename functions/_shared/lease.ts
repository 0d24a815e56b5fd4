import type { JobContext } from './job.ts';
import { leaseOf, runDocument } from './ledger.ts';

const heartbeatMs = 20_000;

/**
 * Keeps the lease of a run alive during calls that take longer than a lease lasts. A failed heartbeat is not reported:
 * the next write meets the same trouble, and is refused if the lease was lost.
 */
export async function withHeartbeats<Result>(
  { rpc, run }: JobContext,
  work: () => Promise<Result>,
): Promise<Result> {
  const timer = setInterval(() => {
    rpc.call('heartbeat_run', leaseOf(run), runDocument, { retry: () => false }).catch(() => {});
  }, heartbeatMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
