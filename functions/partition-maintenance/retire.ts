import { NightshiftError, notLocked, rethrowIfFatal, timedOut } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { callFits, type LockOutcome, lockedBy, once, withLockRetries } from './locks.ts';
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
export function retireAll(
  context: JobContext,
  tables: readonly TableState[],
): Promise<Map<string, Retirement>> {
  return inTurn(context, tables, (state, lockTimeoutMs) =>
    context.direct && detachesConcurrently(state)
      ? retireConcurrently(context, state)
      : retireWithLocks(context, state, lockTimeoutMs),
  );
}

/** How one attempt for a table ended. */
type Attempt = Partial<Retirement> & { outcome: LockOutcome };

/** One table after the other; those that are locked have another turn when the others are done. */
async function inTurn(
  { deadline }: JobContext,
  tables: readonly TableState[],
  retire: (state: TableState, lockTimeoutMs: number) => Promise<Attempt>,
): Promise<Map<string, Retirement>> {
  const states = new Map(tables.map((state) => [state.table, state]));
  const retired = new Map<string, Retirement>();
  const record = (table: string, found: Partial<Retirement>) => {
    const before = retired.get(table) ?? { blocked: [], busy: false, outOfTime: false };
    retired.set(table, { ...before, ...found });
  };
  const work = async ([table = '']: string[], lockTimeoutMs: number) => {
    const state = states.get(table);
    if (!state) return new Map();
    const { outcome, ...found } = await retire(state, lockTimeoutMs).catch(
      (thrown: unknown): Attempt => ({
        outcome: 'done',
        error: explain(rethrowIfFatal(thrown), state),
      }),
    );
    record(table, found);
    return new Map([[table, outcome]]);
  };
  const { busy, waiting } = await withLockRetries(deadline, [...states.keys()], work);
  for (const table of busy) record(table, { busy: true });
  for (const table of waiting) record(table, { outOfTime: true });
  return retired;
}

async function retireWithLocks(
  context: JobContext,
  { table }: TableState,
  lockTimeoutMs: number,
): Promise<Attempt> {
  const { outcome, holder, blocked } = await detachDue(context, table, lockTimeoutMs);
  const outcomes = { retired: 'done', more: 'more', busy: lockedBy({ holder }) } as const;
  return { outcome: outcomes[outcome], holder, blocked };
}

/** All that is due, since a table that it refers to comes next. */
async function detachDue({ rpc, run, deadline }: JobContext, table: string, lockTimeoutMs: number) {
  const args = { ...leaseOf(run), table_name: table, lock_timeout_ms: lockTimeoutMs };
  for (;;) {
    const answer = await rpc
      .call('retire_partitions', args, retireAnswer, { retry: once })
      .catch((thrown: unknown) => {
        // What it reads before it locks the table can be locked as well.
        const error = rethrowIfFatal(thrown);
        if (error.code !== notLocked) throw error;
        return { outcome: 'busy' as const, holder: null, blocked: [] };
      });
    if (answer.outcome !== 'more' || !callFits(deadline.remainingMs())) return answer;
  }
}

async function retireConcurrently(context: JobContext, state: TableState): Promise<Attempt> {
  const { rpc, direct, run, deadline } = context;
  const withLocks = async (): Promise<Attempt> => {
    const retired = await inTurn(context, [state], (_, lockTimeoutMs) =>
      retireWithLocks(context, state, lockTimeoutMs),
    );
    return { outcome: 'done', ...retired.get(state.table) };
  };
  while (callFits(deadline.remainingMs())) {
    // Before it is begun: a stop that comes meanwhile leaves no time, and one that is cut off leaves the partition half detached.
    const timeoutMs = Math.min(detachMs, deadline.remainingMs() / 2);
    const args = { ...leaseOf(run), table_name: state.table, lock_timeout_ms: detachLockMs };
    const begun = await rpc.call('begin_detach', args, beginDetachAnswer, { retry: once });
    if (begun.outcome === 'done') return { outcome: 'done', blocked: begun.blocked, holder: null };
    if (begun.outcome === 'busy') {
      return { outcome: lockedBy(begun), blocked: begun.blocked, holder: begun.holder };
    }
    if (begun.outcome === 'lock') return await withLocks();
    const failure = await direct
      ?.execute(begun.statement, { timeoutMs, lockTimeoutMs: detachLockMs })
      .catch(rethrowIfFatal);
    const finish = await finishDetach(context, begun.partition);
    if (finish.isDetached) continue;
    // A session that outlasted this wait would outlast the next. Any other failure may succeed with brief locks.
    const waited =
      failure instanceof NightshiftError && [timedOut, notLocked].includes(failure.code);
    if (waited) return { outcome: 'done', busy: true, outOfTime: finish.outOfTime };
    const locked = await withLocks();
    return {
      ...locked,
      busy: locked.busy || finish.busy,
      outOfTime: locked.outOfTime || finish.outOfTime,
    };
  }
  return { outcome: 'done', outOfTime: true };
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
