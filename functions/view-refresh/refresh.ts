import * as z from 'zod';
import { pause } from '../_shared/clock.ts';
import { type NightshiftError, othersInTheWay, rethrowIfFatal } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { isStop } from '../_shared/stop.ts';
import type { PlannedView } from './plan.ts';
import { baseOf, figuresOf, outOfTime } from './report.ts';
import {
  apiCallTimeoutMs,
  apiLimitMs,
  chooseTransport,
  closingMs,
  directTimeoutMs,
  explain,
  otherTransport,
  refreshFits,
  repeatRefresh,
} from './rules.ts';
import { type RefreshStep, refreshAnswer, type Transport } from './schema.ts';

/** Refreshes one view. A failure is part of the step it returns, and is recorded. */
export async function refreshView(
  context: JobContext,
  { facts, reason, detail }: PlannedView,
  { force, budgetMs }: { force: boolean; budgetMs: number },
): Promise<RefreshStep> {
  const { clock, deadline, direct } = context;
  const { usualMs } = facts;
  const fits = (ms: typeof usualMs) =>
    refreshFits({ remainingMs: deadline.remainingMs(), budgetMs }, ms);
  const notNow = (takesMs: typeof usualMs) =>
    outOfTime(facts, reason, takesMs, context.stop.why?.message);
  if (!fits(usualMs)) return notNow(usualMs);

  const startedMs = clock.nowMs();
  let transport = chooseTransport(usualMs, direct !== undefined);
  let takesMs = usualMs;
  try {
    const call = () => callRefresh(context, facts.view, force, transport);
    const answer = await call().catch((thrown: unknown) => {
      const error = rethrowIfFatal(thrown);
      const other = direct && otherTransport(error, transport, usualMs);
      if (!other) throw error;
      // What there is no time left for, or what a run that was told to stop would begin anew, the next attempt does.
      if (other === 'direct') takesMs = apiLimitMs;
      if (!fits(takesMs)) return undefined;
      transport = other;
      return call();
    });
    if (!answer) return notNow(takesMs);
    if (answer.outcome === 'refreshed') {
      const { modeReason } = facts;
      return {
        ...baseOf(facts),
        status: 'refreshed',
        reason,
        detail: answer.detail,
        transport,
        ...figuresOf(answer),
        ...(modeReason ? { modeReason } : {}),
      };
    }
    return {
      ...baseOf(facts),
      status: answer.outcome === 'busy' ? 'blocked' : 'skipped',
      reason: answer.outcome,
      detail: answer.detail,
    };
  } catch (thrown) {
    if (isStop(thrown)) return notNow(usualMs);
    const durationMs = clock.nowMs() - startedMs;
    const error = explain(rethrowIfFatal(thrown), facts.view, durationMs, transport);
    await recordFailure(context, { view: facts.view, reason, detail, durationMs, error });
    return {
      ...baseOf(facts),
      status: 'failed',
      reason,
      detail,
      transport,
      durationMs,
      error: error.describe(),
    };
  }
}

async function callRefresh(
  { rpc, direct, run, clock, deadline }: JobContext,
  view: string,
  force: boolean,
  transport: Transport,
) {
  const args = { ...leaseOf(run), view, force };
  if (transport === 'direct' && direct) {
    const timeoutMs = () => directTimeoutMs(deadline.remainingMs());
    return direct.call('refresh_view', args, refreshAnswer, { timeoutMs, retry: repeatRefresh });
  }
  let answerLost = false;
  const retry = (error: NightshiftError, attempt: number) => {
    answerLost ||= !othersInTheWay(error);
    return repeatRefresh(error, attempt);
  };
  const call = () =>
    rpc.call('refresh_view', args, refreshAnswer, { retry, timeoutMs: apiCallTimeoutMs });
  let answer = await call();
  // The view may be busy with our own call, whose answer was lost.
  const giveUpMs = clock.nowMs() + (answerLost ? apiLimitMs : 0);
  while (answer.outcome === 'busy' && clock.nowMs() < giveUpMs) {
    if (deadline.remainingMs() <= closingMs) return undefined;
    await pause(500);
    answer = await call();
  }
  return answer;
}

async function recordFailure(
  { rpc, run }: JobContext,
  failed: Pick<RefreshStep, 'view' | 'reason' | 'detail'> & {
    durationMs: number;
    error: NightshiftError;
  },
): Promise<void> {
  const { view, reason, detail, error } = failed;
  const args = {
    ...leaseOf(run),
    view,
    reason,
    detail,
    duration_ms: Math.round(failed.durationMs),
    error: { code: error.code, message: error.message },
  };
  // The report has the failure too, so a record that cannot be written must not stop the run.
  await rpc
    .call('record_refresh_failure', args, z.unknown(), { retry: () => false })
    .catch(rethrowIfFatal);
}
