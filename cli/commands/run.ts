import { type Command, Option } from 'commander';
import * as z from 'zod';
import { systemClock, timeMs } from '../../functions/_shared/clock.ts';
import { connectDirect, type Direct } from '../../functions/_shared/direct.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { inputHint } from '../../functions/_shared/job.ts';
import { type RunDocument, storedError } from '../../functions/_shared/ledger.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { parseDatabaseUrl } from '../../functions/_shared/postgres-client.ts';
import { progressInWords } from '../../functions/_shared/progress.ts';
import { runJob } from '../../functions/_shared/run.ts';
import type { RunResult } from '../../functions/_shared/run-types.ts';
import { readCa } from '../../functions/_shared/settings.ts';
import { Stop, stoppedByHand } from '../../functions/_shared/stop.ts';
import { createTeller } from '../../functions/_shared/tell-troubles.ts';
import { createWebhook } from '../../functions/_shared/webhook.ts';
import { loadJob, loadPresenter } from '../../functions/registry.ts';
import { connect, noDeadline } from '../connect.ts';
import { exitCodes } from '../exit-codes.ts';
import { nightshift } from '../installation/origin.ts';
import { names, wholeNumber } from '../options.ts';
import { progressBars } from '../progress-bars.ts';
import { age, coloured, printJson, say, shortId, showError } from '../ui.ts';
import { configuredWebhook } from '../webhook.ts';
import { optionOf } from '../words.ts';

interface Options {
  dryRun?: true;
  only?: string[];
  ancestors?: true;
  descendants?: true;
  force?: true | string[];
  reindex?: string[];
  parallelism?: number;
  pace?: string;
  json?: true;
}

export function addRun(program: Command): void {
  program
    .command('run <job>')
    .description('run a job now')
    .option('--dry-run', 'count what would be done, change nothing')
    .option(
      '--only <relation...>',
      'only these tables or views, as SQL writes them: public.orders (health-check: these checks)',
      names,
    )
    .option('--ancestors', 'view-refresh: with --only, also the views that those read')
    .option('--descendants', 'view-refresh: with --only, also the views that read those')
    .option(
      '--force [relation...]',
      'go on where a safety brake would refuse (retention-purge: for these tables); refresh what has not changed',
      names,
    )
    .option('--reindex <index...>', 'table-vacuum: rebuild these indexes, one at a time', names)
    .option(
      '--parallelism <number>',
      'view-refresh: how many views at once, 1 to 8 (default 2)',
      wholeNumber,
    )
    .addOption(
      new Option(
        '--pace <pace>',
        'retention-purge: gentle leaves room for other sessions at work (default); full does not',
      ).choices(['gentle', 'full']),
    )
    .option('--json', 'print the run as one JSON document')
    .action(run);
}

/** Only a run uses it, so only a run says where it leads. */
function directTo(databaseUrl: string): Direct {
  const ca = readCa(process.env.NIGHTSHIFT_DATABASE_CA);
  const direct = connectDirect(databaseUrl, noDeadline, { ca });
  console.error(`Direct connection: ${parseDatabaseUrl(databaseUrl).host}`);
  return direct;
}

async function run(name: string, { json, ...input }: Options): Promise<void> {
  const job = await loadJob(name);
  requireInput(job, input);
  const bars = progressBars();
  const webhook = configuredWebhook();
  const { rpc, url, databaseUrl } = await connect();
  const direct = databaseUrl ? directTo(databaseUrl) : undefined;
  const stop = new Stop();
  // The first one lets the batch under way commit and the run be written down; a second one kills. A terminal that is
  // closed sends SIGHUP.
  const listeners = stopSignals.map(([signal, how]) => {
    const listener = () => {
      stop.raise(stoppedByHand(how));
      bars.say('\nStopping after what is under way; press Ctrl-C again to quit at once.');
    };
    process.once(signal, listener);
    return [signal, listener] as const;
  });
  const result = await runJob(
    job,
    { trigger: 'cli', requestedBy: process.env.USER ?? 'cli', input },
    {
      rpc,
      direct,
      clock: systemClock,
      deadline: noDeadline,
      stop,
      log: silentLog,
      metrics: noMetrics,
      // As a cron of somebody's own runs it.
      teller: webhook && createTeller(createWebhook(webhook, systemClock), url, systemClock),
      ...(json ? {} : { onProgress: bars.onProgress }),
    },
  ).finally(() => {
    bars.stop();
    for (const [signal, listener] of listeners) process.off(signal, listener);
  });
  if (json) printJson(result.run);
  else await showResult(result);
  process.exitCode = exitCodeOf(result);
}

/** As the run itself does, but with the names of options. */
function requireInput(
  { name, input: schema, example }: Awaited<ReturnType<typeof loadJob>>,
  input: object,
): void {
  const { error } = schema.safeParse(input);
  if (!error) return;
  const problems = error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys')
      return `It takes no ${issue.keys.map(optionOf).join(' and ')}.`;
    const option = optionOf(String(issue.path[0] ?? ''));
    if (issue.code !== 'invalid_type')
      return issue.path.length > 0 ? `${option}: ${issue.message}` : issue.message;
    return issue.expected === 'array' ? `${option} takes names.` : `${option} takes no value.`;
  });
  throw new NightshiftError('NS422', `The options are not valid for ${name}`, {
    detail: problems.join('\n'),
    hint: inputHint({ name, example }),
  });
}

const stopSignals = [
  ['SIGINT', 'Ctrl-C'],
  ['SIGTERM', 'SIGTERM'],
  ['SIGHUP', 'SIGHUP'],
] as const;

const skipReport = z.object({ message: z.string(), reason: z.string() });

async function showResult({ outcome, run, error, other }: RunResult): Promise<void> {
  if (run.status === 'skipped') {
    const { message, reason } = skipReport.parse(run.report);
    say(`Run skipped: ${message}`);
    if (reason === 'paused') say('  To end the pause: select nightshift.unpause();');
    if (other) showOther(other);
    return;
  }
  if (error && !saidByStep(run.report, error)) showError(error.describe());
  const { data: stopped } = storedError.safeParse(run.status === 'interrupted' ? run.error : null);
  if (stopped) showError(stopped);
  if (run.report) {
    const presenter = await loadPresenter(run.job);
    presenter.showReport(run.report as never);
  }
  say(`Run ${run.id} ${outcome === 'duplicate' ? 'had ended' : 'ended'}: ${coloured(run.status)}`);
}

const failedSteps = z.object({ steps: z.array(z.object({ error: storedError.optional() })) });

/** Where nothing but one table was to be done, its error is that of the run, and the report has it below. */
function saidByStep(report: unknown, { message }: NightshiftError): boolean {
  const { data } = failedSteps.safeParse(report);
  return data?.steps.some(({ error }) => error?.message === message) ?? false;
}

function showOther(other: RunDocument): void {
  const { trigger, requestedBy, progress, startedAt } = other;
  const since = age((systemClock.nowMs() - timeMs(startedAt)) / 1000);
  const by = requestedBy ? `${trigger} (${requestedBy})` : trigger;
  say(`  For ${since}, begun by ${by}: ${progressInWords(progress)}.`);
  const short = shortId(other);
  say(`  To see it: ${nightshift} runs ${short}`);
  say(`  To end it: ${nightshift} cancel ${short}`);
}

function exitCodeOf({ run }: RunResult): number {
  if (run.status === 'succeeded') return exitCodes.ok;
  if (run.status === 'skipped') return exitCodes.notRun;
  return ['partial', 'continued', 'interrupted'].includes(run.status)
    ? exitCodes.workLeft
    : exitCodes.failed;
}
