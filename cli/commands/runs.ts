import type { Command } from 'commander';
import { systemClock, timeMs } from '../../functions/_shared/clock.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import {
  type RunDocument,
  runDocument,
  runDocuments,
  storedError,
} from '../../functions/_shared/ledger.ts';
import { progressInWords } from '../../functions/_shared/progress.ts';
import type { Rpc } from '../../functions/_shared/rpc.ts';
import { jobNames, loadPresenter } from '../../functions/registry.ts';
import { connect } from '../connect.ts';
import { nightshift } from '../installation/origin.ts';
import { age, coloured, note, printJson, say, shortId, showError, showRuns, utc } from '../ui.ts';

export function addRuns(program: Command): void {
  program
    .command('runs [job-or-run]')
    .description('show the latest runs, of one job, or one run with its progress and its report')
    .option('--json', 'print them as JSON')
    .action(runs);
}

async function runs(name: string | undefined, { json }: { json?: true }): Promise<void> {
  const isRun = name !== undefined && beginningOfId.test(name);
  if (name !== undefined && !isRun && !jobNames.some((job) => job === name)) {
    throw new NightshiftError('NS404', `There is no job or run ${name}`, {
      hint: `Jobs are: ${jobNames.join(', ')}. A run is named by the first characters of its id, four or more.`,
    });
  }
  const { rpc } = await connect();
  if (isRun) {
    const run = await findRun(rpc, name);
    if (json) printJson(run);
    else await showRun(run);
    return;
  }
  const latest = await rpc.call('list_runs', name === undefined ? {} : { job: name }, runDocuments);
  if (json) {
    printJson(latest);
    return;
  }
  if (name === undefined) note('Quick health checks that succeeded are left out.');
  showRuns(latest);
}

/** No job has such a name. */
const beginningOfId = /^[0-9a-f-]{4,36}$/i;

/** By its id, or the beginning of it; where there is none, the error names those that may be meant. */
export function findRun(rpc: Rpc, id: string): Promise<RunDocument> {
  return rpc.call('find_run', { id }, runDocument).catch(async (thrown: unknown) => {
    if (!(thrown instanceof NightshiftError) || thrown.code !== 'NS404') throw thrown;
    const { message, detail } = thrown;
    const latest = await rpc.call('list_runs', {}, runDocuments);
    const [first, ...more] = latest
      .toSorted((a, b) => Number(b.status === 'running') - Number(a.status === 'running'))
      .map((run) => `${shortId(run)} (${run.job}, ${run.status})`);
    throw new NightshiftError('NS404', message, {
      detail,
      hint: first
        ? `Name one by the first characters of its id, such as: ${[first, ...more.slice(0, 4)].join(', ')}.`
        : 'There are no runs yet.',
    });
  });
}

async function showRun(run: RunDocument): Promise<void> {
  const { requestedBy, finishedAt, cancelRequestedAt } = run;
  const endMs = finishedAt === null ? systemClock.nowMs() : timeMs(finishedAt);
  const took = age((endMs - timeMs(run.startedAt)) / 1000);
  const attempts = run.attempt > 1 ? `, attempt ${run.attempt}` : '';
  say(`${run.job} ${run.id}: ${coloured(run.status)}${run.dryRun ? ' (dry run)' : ''}`);
  say(
    `Started ${utc(timeMs(run.startedAt))} UTC by ${run.trigger}${requestedBy ? ` (${requestedBy})` : ''}${attempts}; ${finishedAt === null ? 'for' : 'took'} ${took}`,
  );
  say(`Progress: ${progressInWords(run.progress)}`);
  if (run.status === 'running') {
    say(
      cancelRequestedAt
        ? `Asked to end by ${run.cancelRequestedBy ?? 'somebody'} at ${utc(timeMs(cancelRequestedAt))} UTC`
        : `To end it: ${nightshift} cancel ${shortId(run)}`,
    );
  }
  const error = storedError.safeParse(run.error).data;
  if (error) showError(error);
  if (run.report && run.status !== 'skipped' && jobNames.some((job) => job === run.job)) {
    (await loadPresenter(run.job)).showReport(run.report as never);
  }
}
