import { cancelledByHand, type NightshiftError, timedOut } from '../_shared/errors.ts';
import type { OutcomeStatus } from '../_shared/job.ts';
import type {
  IndexFacts,
  IndexStep,
  Rebuilt,
  ReindexProgress,
  TableFacts,
  VacuumProgress,
  VacuumStep,
} from './schema.ts';

/** Reserved to write down what became of the last vacuum, and the end of the run. */
const closingMs = 3_000;

/** Even of a table that is nearly clean a vacuum reads the indexes, and less time would only begin it. */
const leastMs = 2_000;

export function vacuumFits(remainingMs: number): boolean {
  return remainingMs > closingMs + leastMs;
}

export function statementTimeoutMs(remainingMs: number): number {
  return Math.max(Math.min(remainingMs, 2 ** 31 - 1) - closingMs, 1);
}

/** SKIP_LOCKED waits for no table, but for its indexes, and for the partitions that ANALYZE samples. */
export const lockTimeoutMs = 1_000;

/** As often as a vacuum looks whether someone waits for it; autovacuum takes as long to give way. */
export const watchMs = 1_000;

/** A vacuum that nobody can look at gives way to nobody, and whoever waits for it would do so until its time is up. */
export const mostUnseenMs = 30_000;

/** Another attempt has the run, or it was given up: nothing that this one asks is answered any more. */
export function isLeaseLost({ code }: NightshiftError): boolean {
  return code === 'NS409';
}

/**
 * The pace of autovacuum: a vacuum by hand has none, and would take all that the disk gives from live traffic. How much it
 * may do between two pauses is the server's own vacuum_cost_limit.
 */
export const sessionSettings = {
  vacuum_cost_delay: '2ms',
  // As autovacuum: more processes would take cores from live traffic.
  max_parallel_maintenance_workers: '0',
  // Of a function that dies the server would not hear until the vacuum is done, and nobody would watch it.
  client_connection_check_interval: '2s',
};

/** Only one session of Nightshift at a time vacuums; nightshift.vacuuming_session looks for it. */
export const turn = 'nightshift.vacuum';

/** Of each run: what a vacuum did before time ran out stays done, so the second one has less to do. */
const mostTimeouts = 2;

function timeoutsOf(progress: VacuumProgress, table: string): number {
  const step = progress[table];
  return step && 'timeouts' in step ? step.timeouts : 0;
}

/** Those for which time ran out in an earlier attempt come last, or they would keep all others from their turn. */
export function inTurn(tables: readonly TableFacts[], progress: VacuumProgress): TableFacts[] {
  return tables
    .filter(({ table }) => !isDone(progress[table]))
    .toSorted((a, b) => timeoutsOf(progress, a.table) - timeoutsOf(progress, b.table));
}

export function isDone(
  step: VacuumProgress[string] | undefined,
): step is Exclude<VacuumProgress[string], { timeouts: number }> {
  return step !== undefined && 'vacuumedMs' in step;
}

export function takesTooLong(progress: VacuumProgress, table: string): boolean {
  return timeoutsOf(progress, table) >= mostTimeouts;
}

export function isOutOfTime(error: NightshiftError | undefined): boolean {
  return error?.code === timedOut && error.detail !== cancelledByHand;
}

/** Nothing else can be vacuumed over a connection that is refused or that a pooler lends. */
export function isUnusable({ code }: NightshiftError): boolean {
  return code === 'NS502';
}

/** Reserved to drop what is left of an index that was not rebuilt in time. */
const clearingMs = 10_000;

/** Slow disks build this much of an index, with its table read twice, within a second. */
const bytesPerSecond = 10 * 1024 * 1024;

/** What breaks off halfway leaves work for others, so a rebuilding that would not be done in time does not begin. */
export function reindexFits(
  { sizeBytes, tableBytes }: Pick<IndexFacts, 'sizeBytes' | 'tableBytes'>,
  remainingMs: number,
): boolean {
  const neededMs = ((sizeBytes + 2 * tableBytes) / bytesPerSecond) * 1000;
  return remainingMs > closingMs + clearingMs + leastMs + neededMs;
}

/** A run that was stopped has no time left, but nobody else clears away what it was at. */
export function clearTimeoutMs(remainingMs: number, stopped: boolean): number {
  return stopped ? clearingMs : Math.max(remainingMs - closingMs, 0);
}

export function reindexTimeoutMs(remainingMs: number): number {
  return Math.max(statementTimeoutMs(remainingMs) - clearingMs, 1);
}

/** Of one index in a run, and of different ones. */
export const mostFailures = 2;

export function isRebuilt(step: ReindexProgress[string] | undefined): step is Rebuilt {
  return step !== undefined && 'rebuiltMs' in step;
}

export function triesOf(progress: ReindexProgress, index: string): number {
  const step = progress[index];
  return step && 'tries' in step ? step.tries : 0;
}

/** As for views: a run out of time continues after progress, or when the first attempt had too little for any table. */
export function runStatus(
  steps: readonly (VacuumStep | IndexStep)[],
  { progressed, attempt, stopped }: { progressed: boolean; attempt: number; stopped: boolean },
): OutcomeStatus {
  const bad = steps.filter(({ status }) => ['failed', 'blocked', 'waiting'].includes(status));
  const waiting = bad.some(({ status }) => status === 'waiting');
  if (waiting && (progressed || attempt === 1 || stopped)) return 'continued';
  if (bad.length === 0) return 'succeeded';
  return bad.length === steps.length ? 'failed' : 'partial';
}
