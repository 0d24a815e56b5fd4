import { rethrowIfFatal } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { countFits, once } from './locks.ts';
import type { Measurement } from './results.ts';
import { uncounted } from './rules.ts';
import { defaultPartition, type TableState } from './schema.ts';

/** Counts the rows of every default partition, and the partitions that they need. */
export async function measureDefaults(
  { rpc, run, deadline }: JobContext,
  tables: readonly TableState[],
): Promise<Map<string, Measurement>> {
  const measured = new Map<string, Measurement>();
  for (const state of tables) {
    const { table } = state;
    if (state.defaultPartition === null) continue;
    if (!countFits(deadline.remainingMs())) {
      measured.set(table, { outcome: 'outOfTime' });
      continue;
    }
    const args = { ...leaseOf(run), table_name: table };
    try {
      const answer = await rpc.call('measure_default_partition', args, defaultPartition, {
        retry: once,
      });
      measured.set(table, { outcome: 'counted', defaultPartition: answer });
    } catch (thrown) {
      measured.set(table, {
        outcome: 'uncounted',
        error: uncounted(rethrowIfFatal(thrown), state),
      });
    }
  }
  return measured;
}
