import { NightshiftError, notLocked, rethrowIfFatal, timedOut } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { isStop } from '../_shared/stop.ts';
import { callFits, once, withLockRetries } from './locks.ts';
import type { PhaseResult, Retirement, RetirementPreview } from './results.ts';
import { detachesConcurrently, explain } from './rules.ts';
import {
  beginDetachAnswer,
  finishDetachAnswer,
  listOfReasons,
  type PartitionPlan,
  retireAnswer,
  type TableState,
} from './schema.ts';

const detachMs = 60_000;

/**
 * DETACH CONCURRENTLY waits for readers of the table and then locks the partition, so anyone who reads the partition by
 * its own name queues behind it. If this is too short, finish_detach tries again by the lock schedule.
 */
const detachLockMs = 1_000;

/** Detaches the due partitions of each table, without blocking anyone where that is possible. */
export async function retireAll(
  context: JobContext,
  tables: readonly TableState[],
): Promise<Map<string, Retirement>> {
  const retired = new Map<string, Retirement>();
  for (const state of tables) retired.set(state.table, await retire(context, state));
  return retired;
}

async function retire(context: JobContext, state: TableState): Promise<Retirement> {
  if (context.direct && detachesConcurrently(state)) return retireConcurrently(context, state);
  return retireWithLocks(context, state);
}

async function retireWithLocks(
  { rpc, run, deadline }: JobContext,
  state: TableState,
): Promise<Retirement> {
  const { table } = state;
  let blocked: Retirement['blocked'] = [];
  try {
    const { busy, waiting } = await withLockRetries(deadline, [table], async (_, lockTimeoutMs) => {
      const args = { ...leaseOf(run), table_name: table, lock_timeout_ms: lockTimeoutMs };
      const answer = await rpc
        .call('retire_partitions', args, retireAnswer, { retry: once })
        .catch((thrown: unknown) => {
          // What it reads before it locks the table can be locked as well.
          const error = rethrowIfFatal(thrown);
          if (error.code !== notLocked) throw error;
          return { outcome: 'busy' as const, blocked: [] };
        });
      blocked = answer.blocked;
      const outcomes = { retired: 'done', more: 'more', busy: 'busy' } as const;
      return new Map([[table, outcomes[answer.outcome]]]);
    });
    return { blocked, busy: busy.length > 0, outOfTime: waiting.length > 0 };
  } catch (thrown) {
    return {
      blocked,
      busy: false,
      outOfTime: false,
      error: explain(rethrowIfFatal(thrown), state),
    };
  }
}

async function retireConcurrently(context: JobContext, state: TableState): Promise<Retirement> {
  const { rpc, direct, run, deadline } = context;
  const retired: Retirement = { blocked: [], busy: false, outOfTime: false };
  try {
    while (callFits(deadline.remainingMs())) {
      const args = { ...leaseOf(run), table_name: state.table };
      const begun = await rpc.call('begin_detach', args, beginDetachAnswer, { retry: once });
      if (begun.outcome === 'done') return { ...retired, blocked: begun.blocked };
      if (begun.outcome === 'lock') return await retireWithLocks(context, state);
      const timeoutMs = Math.min(detachMs, deadline.remainingMs() / 2);
      const failure = await direct
        ?.execute(begun.statement, { timeoutMs, lockTimeoutMs: detachLockMs })
        .catch(rethrowIfFatal);
      const finish = await finishDetach(context, begun.partition);
      if (finish.isDetached) continue;
      // A session that outlasted this wait would outlast the next. Any other failure may succeed with brief locks.
      const waited =
        failure instanceof NightshiftError && [timedOut, notLocked].includes(failure.code);
      if (waited) return { ...retired, busy: true, outOfTime: finish.outOfTime };
      const locked = await retireWithLocks(context, state);
      return {
        ...locked,
        busy: locked.busy || finish.busy,
        outOfTime: locked.outOfTime || finish.outOfTime,
      };
    }
    return { ...retired, outOfTime: true };
  } catch (thrown) {
    if (isStop(thrown)) return { ...retired, outOfTime: true };
    return { ...retired, error: explain(rethrowIfFatal(thrown), state) };
  }
}

/** `isDetached` means that the partition is out of its table and recorded as retired. */
async function finishDetach(
  { rpc, run, deadline }: JobContext,
  partition: string,
): Promise<PhaseResult & { isDetached: boolean }> {
  let isDetached = false;
  const { busy, waiting } = await withLockRetries(
    deadline,
    [partition],
    async (_, lockTimeoutMs) => {
      const args = { ...leaseOf(run), partition, lock_timeout_ms: lockTimeoutMs };
      const answer = await rpc.call('finish_detach', args, finishDetachAnswer, { retry: once });
      isDetached = answer.outcome === 'retired';
      return new Map([[partition, answer.outcome === 'busy' ? 'busy' : 'done']]);
    },
  );
  return { isDetached, busy: busy.length > 0, outOfTime: waiting.length > 0 };
}

/** Finishes partitions that an earlier run left half detached. One that fails must not stop the rest of the run. */
export async function finishDetaches(
  context: JobContext,
  unfinished: PartitionPlan['unfinished'],
): Promise<Map<string, PhaseResult>> {
  const finished = new Map<string, PhaseResult>();
  for (const { partition, table } of unfinished) {
    const before = finished.get(table) ?? { busy: false, outOfTime: false };
    try {
      const { busy, outOfTime } = await finishDetach(context, partition);
      finished.set(table, {
        ...before,
        busy: before.busy || busy,
        outOfTime: before.outOfTime || outOfTime,
      });
    } catch (thrown) {
      const error = rethrowIfFatal(thrown);
      // Without a policy the table has no step in the report, so the log has to say it.
      context.log.warn('A detach could not be finished', { partition, error: error.describe() });
      finished.set(table, { ...before, error: before.error ?? error });
    }
  }
  return finished;
}

/** For a dry run: finds the due partitions that would stay, and why. */
export async function previewRetirement(
  { rpc, run }: JobContext,
  { table, due }: TableState,
): Promise<RetirementPreview> {
  if (due.length === 0) return { blocked: [] };
  const args = { ...leaseOf(run), table_name: table };
  try {
    return {
      blocked: await rpc.call('preview_retirement', args, listOfReasons, { retry: once }),
    };
  } catch (thrown) {
    return { blocked: [], error: rethrowIfFatal(thrown) };
  }
}
