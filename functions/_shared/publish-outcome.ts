import * as z from 'zod';
import { timeMs } from './clock.ts';
import { type NightshiftError, toNightshiftError } from './errors.ts';
import type { Invocation } from './invocation.ts';
import { failureOf, type RunDocument, runDocument } from './ledger.ts';
import type { RunEvent } from './run-events.ts';
import type { RunDependencies, RunResult } from './run-types.ts';

/**
 * Forty attempts of a quarter of an hour are ten hours: enough for a large first backlog, and over before the next night.
 * This is not what stops loops: an attempt that achieved nothing does not end as continued.
 */
export const maxAttempts = 40;

/** Lambda retries a failed invocation after a minute. An event that comes again sooner is a duplicate delivery. */
const copiesMs = 30_000;

/** A bus that does not answer must not keep an HTTP caller waiting, nor use up the time that Lambda has left. */
const longestMs = 4_000;
const reserveMs = 1_500;

const maxMessageLength = 1_000;

interface Ending {
  outcome: RunResult['outcome'];
  run: RunDocument;
  lost: string[];
  resume: Invocation['resume'];
}

/**
 * Publishes the end of a run and of the runs that were found lost, and asks for a continuation when time ran out.
 * Returns an error only when that request could not be delivered. Other undelivered events are logged and counted.
 */
export async function publishOutcome(
  ending: Ending,
  dependencies: RunDependencies,
): Promise<NightshiftError | undefined> {
  const { bus, clock, deadline, log, metrics } = dependencies;
  const { run } = ending;
  const hasWorkLeft = startedThisAttempt(ending, clock.nowMs()) && run.status === 'continued';
  const continues = hasWorkLeft && bus !== undefined && run.attempt < maxAttempts;
  if (hasWorkLeft && !continues) {
    const who = bus
      ? `after ${maxAttempts} attempts the next scheduled run`
      : 'without an event bus a wake or the next scheduled run';
    log.warn(`Work is left; ${who} takes it up`, { runId: run.id });
  }
  if (!bus) return undefined;

  const events: RunEvent[] = continues ? [continuationOf(run)] : [];
  if (ending.outcome === 'started' && !continues) events.push(...endOf(run));
  events.push(...(await endsOf(ending.lost, dependencies)));
  if (events.length === 0) return undefined;
  const timeoutMs = Math.min(Math.max(deadline.remainingMs(), 0) + reserveMs, longestMs);
  const undelivered = await bus.publish(events, timeoutMs);
  for (const { event, error } of undelivered) {
    const { runId } = event.detail;
    log.error('An event was not delivered', { runId, type: event.type, error: error.describe() });
  }
  if (undelivered.length > 0) metrics.add('EventsUndelivered', undelivered.length);
  return undelivered.find(({ event }) => event.type === 'nightshift.run.continue')?.error;
}

/**
 * Whether this event started the attempt that the run is at, and so may ask for the next one. A retried event counts too:
 * its first delivery may have failed to ask, and nobody has resumed the run since. Duplicates cannot start an endless
 * chain, because an event asks only for the attempt after its own, each attempt starts once, and there are forty.
 */
function startedThisAttempt({ outcome, run, resume }: Ending, nowMs: number): boolean {
  if (outcome !== 'duplicate') return outcome === 'started';
  if (run.attempt !== (resume?.attempt ?? 0) + 1) return false;
  return !resume || nowMs - timeMs(run.finishedAt ?? '') > copiesMs;
}

function continuationOf({ job, id, attempt }: RunDocument): RunEvent {
  return { type: 'nightshift.run.continue', detail: { version: 1, job, runId: id, attempt } };
}

const figures = z.record(z.string(), z.unknown());

/** The numbers at the top level of a report, and a health check's counts by level. */
function countsOf(report: unknown): Record<string, number> {
  const top = figures.safeParse(report).data ?? {};
  const all = { ...top, ...figures.safeParse(top.counts).data };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}

/** A dry run publishes nothing: subscribers wait for work that was really done. */
function endOf(run: RunDocument): RunEvent[] {
  const { job, id: runId, trigger, status, attempt, startedAt, finishedAt } = run;
  if (run.dryRun || finishedAt === null) return [];
  const ended = { version: 1, job, runId, trigger, attempt, startedAt, finishedAt } as const;
  const error = failureOf(run);
  if (error && (status === 'failed' || status === 'lost')) {
    const detail = { ...ended, status, error: outward(error) };
    return [{ type: 'nightshift.run.failed', detail }];
  }
  if (
    status === 'succeeded' ||
    status === 'partial' ||
    status === 'continued' ||
    status === 'interrupted'
  ) {
    const detail = { ...ended, status, counts: countsOf(run.report) };
    return [{ type: 'nightshift.run.finished', detail }];
  }
  return [];
}

/** The message of a defect comes from wherever it was thrown and may say anything, so it stays in the ledger. */
function outward({ code, message }: NightshiftError) {
  if (code === 'NS500') return { code, message: 'A defect; the ledger has the message' };
  return { code, message: message.slice(0, maxMessageLength) };
}

async function endsOf(lost: string[], { rpc, log, metrics }: RunDependencies): Promise<RunEvent[]> {
  const once = { retry: () => false, timeoutMs: reserveMs };
  try {
    const runs = await Promise.all(
      lost.map((run_id) => rpc.call('get_run', { run_id }, runDocument, once)),
    );
    return runs.flatMap(endOf);
  } catch (thrown) {
    metrics.add('EventsUndelivered', lost.length);
    const error = toNightshiftError(thrown).describe();
    log.error('Nobody was told of a lost run', { lost, error });
    return [];
  }
}
