import type { JobContext } from './job.ts';
import { leaseOf, runDocument } from './ledger.ts';

const heartbeatMs = 20_000;

/**
 * Keeps the lease of a run alive while it works, for work whose calls last longer than a lease. A beat that fails is not
 * reported: the next beat or the next write will meet the same trouble, and a lease that is lost refuses every write.
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
