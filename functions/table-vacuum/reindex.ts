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
import { execute } from './execute.ts';
import {
  blockedIndex,
  failedIndex,
  failedTwice,
  goneIndex,
  stepOfIndex,
  stepOfRebuilt,
  unconnectedIndex,
  waitingIndex,
} from './index-report.ts';
import {
  clearTimeoutMs,
  isRebuilt,
  isUnusable,
  mostFailures,
  reindexFits,
  reindexTimeoutMs,
  triesOf,
  turn,
} from './rules.ts';
import {
  beginReindexAnswer,
  finishReindexAnswer,
  type IndexFacts,
  type IndexStep,
  type ReindexProgress,
} from './schema.ts';

/** Rebuilds one index after the other, until two have failed: a third would most likely leave no more than another invalid index. */
export async function rebuildAll(
  context: JobContext,
  indexes: readonly IndexFacts[],
  progress: ReindexProgress,
): Promise<IndexStep[]> {
  const { direct, deadline, stop } = context;
  const steps: IndexStep[] = [];
  let unusable: NightshiftError | undefined;
  for (const facts of indexes) {
    const earlier = progress[facts.index];
    const failures = steps.filter(({ status }) => status === 'failed').length;
    if (isRebuilt(earlier)) {
      steps.push(stepOfRebuilt(facts, earlier));
    } else if (facts.problem) {
      steps.push(blockedIndex(facts, facts.problem));
    } else if (triesOf(progress, facts.index) >= mostFailures) {
      steps.push(failedTwice(facts));
    } else if (failures >= mostFailures) {
      const fix = 'Mend what kept the others from being rebuilt, and repeat it.';
      steps.push(blockedIndex(facts, { detail: 'two others failed before it', fix }));
    } else if (!direct || unusable) {
      steps.push(unconnectedIndex(facts, unusable));
    } else if (!reindexFits(facts, deadline.remainingMs())) {
      steps.push(waitingIndex(facts, stop.why?.message));
    } else {
      const { step, error } = await rebuildOne(context, direct, facts);
      if (error && isUnusable(error)) unusable = error;
      steps.push(step);
    }
  }
  return steps;
}

async function rebuildOne(
  context: JobContext,
  direct: Direct,
  facts: IndexFacts,
): Promise<{ step: IndexStep; error?: NightshiftError | undefined }> {
  const { rpc, run, deadline, stop } = context;
  const { index } = facts;
  const args = { ...leaseOf(run), index_name: index };
  const look = { retry: repeatLook };
  try {
    const begun = await rpc.call('begin_reindex', args, beginReindexAnswer, look);
    if (begun.outcome === 'gone') return { step: goneIndex(facts) };
    if (begun.outcome === 'blocked') return { step: blockedIndex(facts, begun) };
    await dropAll(context, direct, index, begun.drops);
    const trouble = await execute(context, direct, begun.statement, {
      subject: index,
      timeoutMs: reindexTimeoutMs(deadline.remainingMs()),
      // It waits for transactions that were there before it. A limit would end it there, with all its work undone.
      lockTimeoutMs: 0,
      indexName: index,
    });
    const found = await rpc.call('finish_reindex', args, finishReindexAnswer, look);
    const left = await dropAll(context, direct, index, found.drops);
    return {
      step: stepOfIndex(facts, found, { ...trouble, left, stopped: stop.why?.message }),
      error: trouble.error,
    };
  } catch (thrown) {
    if (isStop(thrown)) return { step: waitingIndex(facts, thrown.message) };
    const error = rethrowIfFatal(thrown);
    return { step: failedIndex(facts, error), error };
  }
}

/** Removes what a rebuilding of ours has left. Returns the statements that did not succeed. */
async function dropAll(
  context: JobContext,
  direct: Direct,
  subject: string,
  drops: readonly string[],
): Promise<string[]> {
  const { deadline, stop, log } = context;
  const left: string[] = [];
  for (const statement of drops) {
    const timeoutMs = clearTimeoutMs(deadline.remainingMs(), stop.why !== undefined);
    if (timeoutMs === 0) {
      left.push(statement);
      continue;
    }
    const limits = { timeoutMs, lockTimeoutMs: timeoutMs };
    // It waits for transactions with the table locked, and gives way meanwhile. When the run was stopped, to look at it would end it.
    const { error } = stop.why
      ? await direct.execute(statement, { ...limits, turn }).then(
          () => ({ error: undefined }),
          (thrown) => ({ error: toNightshiftError(thrown) }),
        )
      : await execute(context, direct, statement, { subject, ...limits });
    if (error) {
      log.warn('What a rebuilding has left could not be dropped', {
        statement,
        error: error.describe(),
      });
      left.push(statement);
    }
  }
  return left;
}
