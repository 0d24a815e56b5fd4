import { pause } from '../_shared/clock.ts';
import type { Direct } from '../_shared/direct.ts';
import { toNightshiftError } from '../_shared/errors.ts';
import type { JobContext } from '../_shared/job.ts';
import { leaseOf } from '../_shared/ledger.ts';
import { isStop } from '../_shared/stop.ts';
import type { Trouble } from './report.ts';
import { isLeaseLost, mostUnseenMs, sessionSettings, turn, watchMs } from './rules.ts';
import { type Session, watchVacuumAnswer } from './schema.ts';

interface ExecuteOptions {
  /** What is worked on, for the log and the progress. */
  subject: string;
  timeoutMs: number;
  lockTimeoutMs: number;
  /** The index that is rebuilt. */
  indexName?: string;
}

/** Executes the statement, and meanwhile looks whether someone waits for it or the run has to end. */
export async function execute(
  context: JobContext,
  direct: Direct,
  statement: string,
  options: ExecuteOptions,
): Promise<Trouble> {
  const { clock } = context;
  const { subject, timeoutMs, lockTimeoutMs } = options;
  const unseen = new AbortController();
  const warnings: string[] = [];
  let isOver = false;
  const work = direct
    .execute(statement, {
      timeoutMs,
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
      gaveWayTo = (await watch(context, options)) ?? gaveWayTo;
      seenMs = clock.nowMs();
    } catch (thrown) {
      const error = toNightshiftError(thrown);
      context.log.warn('What is under way could not be looked at', {
        subject,
        error: error.describe(),
      });
      // What follows the vacuum meets the same trouble, and ends the run.
      if (isLeaseLost(error) || clock.nowMs() - seenMs > mostUnseenMs) unseen.abort();
    }
  }
}

/** Extends the lease as well. Returns for whom the vacuum was cancelled. */
async function watch(
  { rpc, run, stop, onProgress }: JobContext,
  { subject, indexName }: ExecuteOptions,
): Promise<Session | undefined> {
  try {
    const args = {
      ...leaseOf(run),
      give_up: stop.why !== undefined,
      ...(indexName ? { index_name: indexName } : {}),
    };
    const seen = await rpc.call('watch_vacuum', args, watchVacuumAnswer, { retry: () => false });
    if (seen.outcome === 'cancelled') return seen.for ?? undefined;
    if (seen.outcome === 'running' && seen.pagesTotal) {
      const done = seen.pages ?? 0;
      onProgress({ subject, unit: 'pages', done, total: seen.pagesTotal });
    }
  } catch (thrown) {
    // It was cancelled with the run.
    if (!isStop(thrown)) throw thrown;
  }
  return undefined;
}
