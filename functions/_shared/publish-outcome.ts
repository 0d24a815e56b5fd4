import * as z from 'zod';
import type { RunEvent } from './bus.ts';
import { timeMs } from './clock.ts';
import { type NightshiftError, toNightshiftError } from './errors.ts';
import type { Invocation } from './invocation.ts';
import { failureOf, type RunDocument, runDocument } from './ledger.ts';
import type { RunDependencies, RunResult } from './run-types.ts';

/**
 * The cap on hops. Forty attempts of a quarter of an hour are ten hours: enough for a large first backlog, and over before
 * the next night begins. The brake on loops is the jobs' own: an attempt that got nothing done does not end as continued.
 */
export const maxAttempts = 40;

/** Lambda tries an invocation that failed again after a minute; what comes sooner is a copy. */
const copiesMs = 30_000;

/** A bus that does not answer must not keep an HTTP caller, nor reach into what Lambda has left. */
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
 * Publishes what became of a run, and of those found lost; asks for it to be continued when time ran out. Returns why it
 * will not be, if so: any other event that is not delivered is logged and counted, and the run is none the worse.
 */
export async function publishOutcome(
  ending: Ending,
  dependencies: RunDependencies,
): Promise<NightshiftError | undefined> {
  const { bus, clock, deadline, log, metrics } = dependencies;
  const { run } = ending;
  const asks = startedThisAttempt(ending, clock.nowMs()) && run.status === 'continued';
  const goesOn = asks && bus !== undefined && run.attempt < maxAttempts;
  if (asks && !goesOn) {
    const why = bus ? `after ${maxAttempts} attempts` : 'without an event bus';
    log.warn(`Work is left; ${why} the next scheduled run takes it up`, { runId: run.id });
  }
  if (!bus) return undefined;

  const events: RunEvent[] = goesOn ? [continuationOf(run)] : [];
  if (ending.outcome === 'started' && !goesOn) events.push(...endOf(run));
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
 * Whether this event began the attempt that the run is at. When it comes again, the first time may have failed to ask: then
 * nobody has resumed the run since. An event asks only for what comes after its own attempt, each attempt begins once, and
 * there are forty, so copies cannot make a chain without end; a copy of an event of ours that comes at once does not even ask.
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

/** The figures at the top of a report, and those of a health check by level. */
function countsOf(report: unknown): Record<string, number> {
  const top = figures.safeParse(report).data ?? {};
  const all = { ...top, ...figures.safeParse(top.counts).data };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}

/** Nothing of a dry run: whoever waits for an event waits for what was really done. */
function endOf(run: RunDocument): RunEvent[] {
  const { job, id: runId, trigger, status, attempt, startedAt, finishedAt } = run;
  if (run.dryRun || finishedAt === null) return [];
  const ended = { version: 1, job, runId, trigger, attempt, startedAt, finishedAt } as const;
  const error = failureOf(run);
  if (error && (status === 'failed' || status === 'lost')) {
    const detail = { ...ended, status, error: outward(error) };
    return [{ type: 'nightshift.run.failed', detail }];
  }
  if (status === 'succeeded' || status === 'partial' || status === 'continued') {
    const detail = { ...ended, status, counts: countsOf(run.report) };
    return [{ type: 'nightshift.run.finished', detail }];
  }
  return [];
}

/** A defect has the words of whoever threw it, which may be anything: those stay in the ledger. */
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
