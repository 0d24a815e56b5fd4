import { rethrowIfFatal } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { type LockOutcome, lockedBy, once, withLockRetries } from './locks.ts';
import type { DropOutcome, DropResult } from './results.ts';
import { dropGroups, keptByPlan } from './rules.ts';
import { dropAnswers, type PlannedDrop } from './schema.ts';

/** Drops the retired partitions whose grace period is over, and reports why others stay. */
export async function dropRetired(
  context: JobContext,
  drops: readonly PlannedDrop[],
): Promise<DropResult[]> {
  const tableOf = new Map(drops.map(({ partition, table }) => [partition, table]));
  const results = new Map<string, DropResult>();
  const record = (partition: string, result: DropOutcome) =>
    results.set(partition, { partition, table: tableOf.get(partition) ?? partition, ...result });

  for (const { partition, ...kept } of keptByPlan(drops)) record(partition, kept);
  const groups = dropGroups(drops);
  for (let group = groups.shift(); group; group = groups.shift()) {
    try {
      const answers = await dropGroup(context, group);
      for (const [partition, answer] of answers) record(partition, answer);
    } catch (thrown) {
      const error = rethrowIfFatal(thrown);
      // One partition must not stop the others, so a shared transaction that fails is repeated one by one.
      if (group.length > 1) groups.push(...group.map((one) => [one]));
      else for (const partition of group) record(partition, { outcome: 'failed', error });
    }
  }
  return [...results.values()];
}

async function dropGroup(
  { rpc, run, deadline }: JobContext,
  group: readonly string[],
): Promise<Map<string, DropOutcome>> {
  const answers = new Map<string, DropOutcome>();
  const { waiting } = await withLockRetries(deadline, group, async (partitions, timeoutMs) => {
    const args = { ...leaseOf(run), partitions, lock_timeout_ms: timeoutMs };
    const outcomes = new Map<string, LockOutcome>();
    const call = rpc.call('drop_retired_partitions', args, dropAnswers, { retry: once });
    for (const { partition, ...answer } of await call) {
      answers.set(partition, answer);
      outcomes.set(partition, answer.outcome === 'busy' ? lockedBy(answer) : 'done');
    }
    return outcomes;
  });
  for (const partition of waiting) answers.set(partition, { outcome: 'outOfTime' });
  return answers;
}
