import type { Direct } from '../_shared/direct.ts';
import { type NightshiftError, repeatLook, rethrowIfFatal } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { isStop } from '../_shared/stop.ts';
import { execute } from './execute.ts';
import { denied, failed, gone, notDue, stepOf, unconnected, waiting } from './report.ts';
import { isOutOfTime, isUnusable, lockTimeoutMs, statementTimeoutMs, vacuumFits } from './rules.ts';
import {
  beginVacuumAnswer,
  finishVacuumAnswer,
  type TableFacts,
  type VacuumStep,
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
  const { rpc, run, deadline, stop } = context;
  const args = { ...leaseOf(run), table_name: facts.table };
  try {
    const begun = await rpc.call('begin_vacuum', args, beginVacuumAnswer, { retry: repeatLook });
    if (begun.outcome === 'gone') return { step: gone(facts) };
    if (begun.outcome === 'not_due') return { step: notDue(facts) };
    if (begun.outcome === 'denied') return { step: denied(facts, begun.fix) };
    const trouble = await execute(context, direct, begun.statement, {
      subject: facts.table,
      timeoutMs: statementTimeoutMs(deadline.remainingMs()),
      lockTimeoutMs,
    });
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
