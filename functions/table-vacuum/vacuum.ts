import { pause } from '../_shared/clock.ts';
import type { Direct } from '../_shared/direct.ts';
import {
  type NightshiftError,
  repeatLook,
  rethrowIfFatal,
  toNightshiftError,
} from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { isStop } from '../_shared/stop.ts';
import {
  denied,
  failed,
  gone,
  notDue,
  stepOf,
  type Trouble,
  unconnected,
  waiting,
} from './report.ts';
import {
  isLeaseLost,
  isOutOfTime,
  isUnusable,
  lockTimeoutMs,
  mostUnseenMs,
  sessionSettings,
  statementTimeoutMs,
  turn,
  vacuumFits,
  watchMs,
} from './rules.ts';
import {
  beginVacuumAnswer,
  finishVacuumAnswer,
  type Session,
  type TableFacts,
  type VacuumStep,
  watchVacuumAnswer,
} from './schema.ts';

/** Vacuums one table after the other. A failure is part of the step that it returns. */
export async function vacuumAll(
  context: JobContext,
  tables: readonly TableFacts[],
): Promise<VacuumStep[]> {
  const steps: VacuumStep[] = [];
  let unusable: NightshiftError | undefined;
  for (const facts of tables) {
    const { direct, deadline, stop } = context;
    if (!direct || unusable) {
      steps.push(unconnected(facts, unusable));
    } else if (!vacuumFits(deadline.remainingMs())) {
      steps.push(waiting(facts, stop.why?.message));
    } else {
      const { step, error } = await vacuumOne(context, direct, facts);
      if (error && isUnusable(error)) unusable = error;
      steps.push(step);
    }
  }
  return steps;
}

async function vacuumOne(
  context: JobContext,
  direct: Direct,
  facts: TableFacts,
): Promise<{ step: VacuumStep; error?: NightshiftError | undefined }> {
  const { rpc, run, stop } = context;
  const args = { ...leaseOf(run), table_name: facts.table };
  try {
    const begun = await rpc.call('begin_vacuum', args, beginVacuumAnswer, { retry: repeatLook });
    if (begun.outcome === 'gone') return { step: gone(facts) };
    if (begun.outcome === 'not_due') return { step: notDue(facts) };
    if (begun.outcome === 'denied') return { step: denied(facts, begun.fix) };
    const trouble = await execute(context, direct, facts, begun.statement);
    const { error } = trouble;
    const found = await finish(context, facts, isOutOfTime(error));
    return { step: stepOf(facts, found, { ...trouble, stopped: stop.why?.message }), error };
  } catch (thrown) {
    if (isStop(thrown)) return { step: waiting(facts, thrown.message) };
    const error = rethrowIfFatal(thrown);
    return { step: failed(facts, error), error };
  }
}

function finish({ rpc, run }: JobContext, { table }: TableFacts, timedOutNow: boolean) {
  const args = { ...leaseOf(run), table_name: table, timed_out: timedOutNow };
  return rpc.call('finish_vacuum', args, finishVacuumAnswer, { retry: repeatLook });
}

/** Executes the statement, and meanwhile looks whether someone waits for it or the run has to end. */
async function execute(
  context: JobContext,
  direct: Direct,
  facts: TableFacts,
  statement: string,
): Promise<Trouble> {
  const { deadline, clock } = context;
  const unseen = new AbortController();
  const warnings: string[] = [];
  let isOver = false;
  const work = direct
    .execute(statement, {
      timeoutMs: statementTimeoutMs(deadline.remainingMs()),
      lockTimeoutMs,
      turn,
      settings: sessionSettings,
      onWarning: (code) => warnings.push(code),
      signal: unseen.signal,
    })
    .then(() => undefined, toNightshiftError)
    .finally(() => {
      isOver = true;
    });
  let gaveWayTo: Trouble['gaveWayTo'];
  let seenMs = clock.nowMs();
  for (;;) {
    await Promise.race([work, pause(watchMs)]);
    if (isOver) return { error: await work, warnings, gaveWayTo };
    try {
      gaveWayTo = (await watch(context, facts)) ?? gaveWayTo;
      seenMs = clock.nowMs();
    } catch (thrown) {
      const error = toNightshiftError(thrown);
      const { table } = facts;
      context.log.warn('A vacuum could not be looked at', { table, error: error.describe() });
      // What follows the vacuum meets the same trouble, and ends the run.
      if (isLeaseLost(error) || clock.nowMs() - seenMs > mostUnseenMs) unseen.abort();
    }
  }
}

/** Extends the lease as well. Returns for whom the vacuum was cancelled. */
async function watch(
  { rpc, run, stop, onProgress }: JobContext,
  { table }: TableFacts,
): Promise<Session | undefined> {
  try {
    const args = { ...leaseOf(run), give_up: stop.why !== undefined };
    const seen = await rpc.call('watch_vacuum', args, watchVacuumAnswer, { retry: () => false });
    if (seen.outcome === 'cancelled') return seen.for ?? undefined;
    if (seen.outcome === 'running' && seen.pagesTotal) {
      const done = seen.pages ?? 0;
      onProgress({ subject: table, unit: 'pages', done, total: seen.pagesTotal });
    }
  } catch (thrown) {
    // It was cancelled with the run.
    if (!isStop(thrown)) throw thrown;
  }
  return undefined;
}
