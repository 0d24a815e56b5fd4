import * as z from 'zod';
import { repeatLook, toNightshiftError } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { inTurn, measuresKeyQueries } from './rules.ts';
import { type HealthInput, keyQueries } from './schema.ts';

const measured = z.object({
  outcome: z.enum(['measured', 'failed', 'gone']),
  verdict: z.enum(['usual', 'slower', 'faster']).nullish(),
});

/**
 * Runs the key queries, those first that have waited longest, as long as `mayContinue` allows. What came out slower or faster
 * than usual is measured once more after all the others: a neighbour who was loud is quiet by then, and another plan is not.
 */
export async function measureKeyQueries(
  { rpc, run, log, onProgress }: JobContext,
  input: HealthInput,
  { callMs, mayContinue }: { callMs: number; mayContinue: () => boolean },
): Promise<void> {
  if (!measuresKeyQueries(input)) return;
  try {
    const known = await rpc.call('describe_key_queries', {}, keyQueries, { retry: repeatLook });
    const names = inTurn(known);
    const unusual: string[] = [];
    let done = 0;
    const measure = async (name: string) => {
      const args = { ...leaseOf(run), query_name: name };
      // A second try would count the time of the first.
      const options = { retry: () => false, timeoutMs: callMs };
      const { verdict } = await rpc.call('measure_key_query', args, measured, options);
      done += 1;
      onProgress({ subject: 'key queries', unit: 'queries', done, total: names.length });
      return verdict;
    };
    for (const name of names) {
      if (!mayContinue()) return;
      const verdict = await measure(name);
      if (verdict === 'slower' || verdict === 'faster') unusual.push(name);
    }
    for (const name of unusual) {
      if (!mayContinue()) return;
      await measure(name);
    }
  } catch (thrown) {
    // The checks that follow say how old the last time of each is, and fail for the same reason if the run is over.
    const error = toNightshiftError(thrown).describe();
    log.warn('Not all key queries could be measured', { error });
  }
}
