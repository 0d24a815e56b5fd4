import type { Command } from 'commander';
import type { DeployedSchedule } from '../../functions/_shared/aws-schedule.ts';
import { isoTime, systemClock, timeMs } from '../../functions/_shared/clock.ts';
import { type RunDocument, runDocuments } from '../../functions/_shared/ledger.ts';
import { progressInWords } from '../../functions/_shared/progress.ts';
import type { Rpc } from '../../functions/_shared/rpc.ts';
import { type JobState, jobStates } from '../../functions/health-check/schema.ts';
import { jobNames } from '../../functions/registry.ts';
import { readStatus, requireStatus } from '../../functions/status/read.ts';
import { connect } from '../connect.ts';
import { installation, inWords } from '../installation/installed.ts';
import { isClone, nightshift } from '../installation/origin.ts';
import { openInBrowser, servePage } from '../page-server.ts';
import { styleText } from '../printable.ts';
import { nextDueMs, readSchedules, requireStage } from '../schedules.ts';
import { showSnapshot } from '../snapshot.ts';
import { table } from '../table.ts';
import { age, duration, heading, note, printJson, shortId, showRuns, utc } from '../ui.ts';

export function addStatus(program: Command): void {
  const command = program
    .command('status')
    .description(
      'show how each job is doing, whether what policies promise is kept, and the latest runs',
    );
  // Schedules are known where they are deployed from.
  if (isClone) {
    command.option(
      '--stage <stage>',
      'whose schedules to go by, of those in serverless.yml',
      defaultStage,
    );
  }
  command
    .option('--open', 'show the status page in a browser, for reading, until Ctrl-C')
    .option('--json', 'print them as JSON')
    .action(status);
}

const defaultStage = 'prod';

/** A schedule may start a run a little late. */
const graceMs = 10 * 60_000;

interface JobStatus extends JobState {
  state: string;
  nextDueAt: string | null;
}

/** The jobs as they are, and the latest runs. */
async function status({
  stage = defaultStage,
  open,
  json,
}: {
  stage?: string;
  open?: true;
  json?: true;
}): Promise<void> {
  requireStage(stage);
  const { rpc, url } = await connect();
  if (open) {
    await showPage(rpc, { projectUrl: url, schedules: deployedIn(stage) });
    return;
  }
  const [states, runs, { paused }, snapshot] = await Promise.all([
    rpc.call('describe_jobs', {}, jobStates),
    rpc.call('list_runs', {}, runDocuments),
    rpc.call('describe_installation', {}, installation),
    readStatus(rpc, { projectUrl: url, schedules: deployedIn(stage) }),
  ]);
  const nowMs = systemClock.nowMs();
  const jobs = states.map((state) => statusOf(state, nowMs, stage));
  if (json) {
    printJson({ paused, jobs, runs, snapshot: snapshot ?? null });
    return;
  }
  if (paused) console.log(styleText('yellow', inWords(paused)));
  showJobs(jobs, nowMs);
  showUnderWay(
    jobs.flatMap(({ underWay }) => underWay),
    nowMs,
  );
  showSnapshot(snapshot);
  heading('The latest runs');
  note('Quick health checks that succeeded are left out.');
  showRuns(runs);
}

/** By the files, as the command line goes by them. */
function deployedIn(stage: string): DeployedSchedule[] {
  return jobNames.flatMap((job) =>
    readSchedules(job, stage).map(({ expression, timezone }) => ({ job, expression, timezone })),
  );
}

/** Until Ctrl-C: the page asks for the runs that are clicked on. */
async function showPage(
  rpc: Rpc,
  deployment: { projectUrl: string; schedules: readonly DeployedSchedule[] },
): Promise<void> {
  // What would be missing on the page is better said here.
  await requireStatus(rpc, deployment);
  const server = await servePage(rpc, deployment);
  console.log(`The status page, once: ${server.url}`);
  note('For this machine alone, and for reading. Ctrl-C ends it.');
  openInBrowser(server.url);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, resolve);
  });
  server.close();
}

export function statusOf(state: JobState, nowMs: number, stage: string): JobStatus {
  const startedMs = state.lastRun ? timeMs(state.lastRun.startedAt) : undefined;
  const dueMs = startedMs === undefined ? undefined : nextDueMs(state.job, startedMs, stage);
  const isLate = dueMs !== undefined && dueMs + graceMs < nowMs;
  const nextMs = dueMs !== undefined && dueMs > nowMs ? dueMs : nextDueMs(state.job, nowMs, stage);
  return {
    ...state,
    state: stateOf(state, nextMs === undefined ? 'unknown' : isLate ? 'late' : 'on time'),
    nextDueAt: nextMs === undefined ? null : isoTime(nextMs),
  };
}

function stateOf(
  { job, declaredAt, lastRun, lostInRow, failedInRow, partialInRow, lastAside, underWay }: JobState,
  /** Nobody is late without a schedule, nor on time. */
  time: 'late' | 'on time' | 'unknown',
): string {
  if (lostInRow > 0) return 'lost';
  if (lastRun?.status === 'running' || underWay.some(({ dryRun }) => !dryRun)) return 'running';
  if (!lastRun) {
    if (lastAside) return lastAside.dryRun ? 'only ran dry' : 'only ran in part';
    return declaredAt || job === 'health-check' ? 'never ran' : 'not used';
  }
  if (failedInRow > 0) return 'failed';
  if (time === 'late') return 'late';
  if (lastRun.status === 'interrupted') return 'interrupted';
  if (partialInRow > 0) return 'partial';
  return time === 'unknown' ? 'succeeded' : 'on time';
}

const colours: Record<string, 'red' | 'yellow' | 'green' | 'cyan' | 'dim'> = {
  lost: 'red',
  failed: 'red',
  late: 'red',
  'never ran': 'yellow',
  'only ran dry': 'yellow',
  'only ran in part': 'yellow',
  interrupted: 'yellow',
  partial: 'yellow',
  running: 'cyan',
  'on time': 'green',
  succeeded: 'green',
  'not used': 'dim',
};

function showJobs(jobs: JobStatus[], nowMs: number): void {
  const rows = jobs.map((job) => [
    job.job,
    styleText(colours[job.state] ?? 'dim', inRow(job)),
    job.lastRun ? utc(timeMs(job.lastRun.startedAt)) : '-',
    job.lastSuccessAt ? `${age((nowMs - timeMs(job.lastSuccessAt)) / 1000)} ago` : 'never',
    job.nextDueAt ? utc(timeMs(job.nextDueAt)) : '-',
    took(job, nowMs),
  ]);
  const head = [
    'job',
    'state',
    'last run (UTC)',
    'last success',
    'next due (UTC)',
    'took (usually)',
  ];
  console.log(table(head, rows, [], ['took (usually)', 'last run (UTC)', 'next due (UTC)']));
}

function showUnderWay(runs: RunDocument[], nowMs: number): void {
  if (runs.length === 0) return;
  heading('Under way now');
  const rows = runs.map((run) => [
    run.job,
    shortId(run),
    age((nowMs - timeMs(run.startedAt)) / 1000),
    progressInWords(run.progress) + (run.dryRun ? ' (dry run)' : ''),
  ]);
  console.log(table(['job', 'run', 'for', 'progress'], rows, [], ['for']));
  note(`To end one: ${nightshift} cancel <run>`);
}

/** How often in a row it has been like that. */
function inRow({ state, lostInRow, failedInRow, partialInRow }: JobStatus): string {
  const times = { lost: lostInRow, failed: failedInRow, partial: partialInRow }[state] ?? 1;
  return times > 1 ? `${state}, ${times} times` : state;
}

function took({ lastRun, usualDurationMs }: JobStatus, nowMs: number): string {
  if (!lastRun) return '-';
  const endMs = lastRun.finishedAt ? timeMs(lastRun.finishedAt) : nowMs;
  const usual = usualDurationMs === null ? '' : ` (${duration(usualDurationMs)})`;
  return `${duration(endMs - timeMs(lastRun.startedAt))}${usual}`;
}
