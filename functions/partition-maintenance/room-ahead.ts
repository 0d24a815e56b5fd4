import { rethrowIfFatal } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { once, withLockRetries } from './locks.ts';
import { exclusionAnswer, releaseAnswer, validationAnswer } from './schema.ts';

/** Over the API a statement ends after 8 seconds. */
const apiMs = 8_000;
/** While Postgres reads the default partition, it refuses rows of the new ones. */
const directMs = 300_000;
const firstLockMs = 500;

/**
 * Creates partitions beside a default partition that is too large to be read while everyone waits: a constraint keeps their
 * rows out of it, and Postgres reads it for such rows while traffic goes on. Returns whether it came to that.
 */
export async function withRoomAhead(
  context: JobContext,
  table: string,
  create: () => Promise<void>,
): Promise<boolean> {
  try {
    const isProven = await isFree(context, table);
    if (isProven) await create();
    return isProven;
  } finally {
    await releaseDefault(context, table);
  }
}

async function isFree(context: JobContext, table: string): Promise<boolean> {
  try {
    return (await exclude(context, table)) && (await validate(context, table));
  } catch (thrown) {
    const error = rethrowIfFatal(thrown);
    context.log.warn('No room could be made beside a default partition', {
      table,
      error: error.describe(),
    });
    return false;
  }
}

async function exclude(context: JobContext, table: string): Promise<boolean> {
  const { rpc, direct, run, deadline } = context;
  const timeoutMs = () => usableMs(context);
  let isExcluded = false;
  await withLockRetries(deadline, [table], async (_, lockTimeoutMs) => {
    const args = {
      ...leaseOf(run),
      table_name: table,
      validate_ms: Math.floor(timeoutMs()),
      lock_timeout_ms: lockTimeoutMs,
    };
    const { outcome } = await (direct
      ? direct.call('exclude_from_default', args, exclusionAnswer, { timeoutMs, retry: once })
      : rpc.call('exclude_from_default', args, exclusionAnswer, { retry: once }));
    isExcluded = outcome === 'excluded';
    return new Map([[table, outcome === 'busy' ? 'busy' : 'done']]);
  });
  return isExcluded;
}

async function validate(context: JobContext, table: string): Promise<boolean> {
  const { rpc, direct, run } = context;
  const args = { ...leaseOf(run), table_name: table };
  const timeoutMs = () => usableMs(context);
  const { outcome } = await (direct
    ? direct.call('validate_default', args, validationAnswer, { timeoutMs, retry: once })
    : rpc.call('validate_default', args, validationAnswer, { retry: once }));
  return outcome === 'validated';
}

function usableMs({ direct, deadline }: JobContext): number {
  return Math.min(direct ? directMs : apiMs, deadline.remainingMs() / 2);
}

/** Lets the default partition have all rows again, after this run or one that was interrupted. */
export async function releaseDefault(
  { rpc, run, deadline, log }: JobContext,
  table: string,
): Promise<void> {
  const release = async (lockTimeoutMs: number) => {
    const args = { ...leaseOf(run), table_name: table, lock_timeout_ms: lockTimeoutMs };
    const { outcome } = await rpc.call('release_default', args, releaseAnswer, { retry: once });
    return outcome === 'busy' ? 'busy' : 'done';
  };
  try {
    // Once in any case, also when the run was told to stop.
    if ((await release(firstLockMs)) === 'done') return;
    await withLockRetries(
      deadline,
      [table],
      async (_, lockTimeoutMs) => new Map([[table, await release(lockTimeoutMs)]]),
    );
  } catch (thrown) {
    // The state after the run has a warning of it, and the next run tries again.
    const error = rethrowIfFatal(thrown);
    log.warn('A default partition still refuses rows', { table, error: error.describe() });
  }
}
