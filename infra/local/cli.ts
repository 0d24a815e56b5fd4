import { existsSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import * as z from 'zod';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { NightshiftError, toNightshiftError } from '../../functions/_shared/errors.ts';
import { runDocuments } from '../../functions/_shared/ledger.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc, type Rpc } from '../../functions/_shared/rpc.ts';
import { type RunResult, runJob } from '../../functions/_shared/run.ts';
import { listedPolicies, type PurgeReport } from '../../functions/retention-purge/schema.ts';
import { jobNames, loadJob } from './jobs.ts';
import { migrate } from './migrate.ts';
import {
  coloured,
  note,
  progressBars,
  showError,
  showPolicies,
  showReport,
  showRuns,
} from './ui.ts';

/** Exit codes, for scripts: see `npm run nightshift -- --help`. */
const exitCodes = { ok: 0, failed: 1, usage: 2, workLeft: 3, notRun: 4 } as const;

const noDeadline = deadlineIn(systemClock, Number.POSITIVE_INFINITY);

/** Where `npm start` leaves the address and key of the local stack. */
const localEnvironment = new URL('../../.env.local', import.meta.url);

function connect(): Rpc {
  const local = !process.env.SUPABASE_URL && existsSync(localEnvironment);
  if (local) process.loadEnvFile(localEnvironment);
  const { SUPABASE_URL: url, SUPABASE_SECRET_KEY: secretKey } = process.env;
  if (!url || !secretKey) {
    const missing = [
      ...(url ? [] : ['SUPABASE_URL']),
      ...(secretKey ? [] : ['SUPABASE_SECRET_KEY']),
    ];
    throw new NightshiftError('NS422', `Not set: ${missing.join(' and ')}`, {
      hint: 'Set both to those of your project, or run npm start in another terminal for a local stack.',
    });
  }
  // On stderr, so that it is seen and --json stays one document: which project this is about to touch.
  console.error(`Project: ${local ? 'the local stack, ' : ''}${url}`);
  return createRpc({ url, secretKey }, noDeadline);
}

function print(document: unknown): void {
  console.log(JSON.stringify(document, null, 2));
}

async function run(
  name: string,
  options: { dryRun?: true; only?: string[]; force?: true; json?: true },
) {
  const job = await loadJob(name);
  const { json, ...input } = options;
  const bars = progressBars();
  let stopped = false;
  // The first Ctrl-C lets the batch under way commit and the run be written down; a second one kills.
  process.once('SIGINT', () => {
    stopped = true;
    console.error('\nStopping after this batch; press Ctrl-C again to quit at once.');
  });
  const result = await runJob(
    job,
    { trigger: 'cli', requestedBy: process.env.USER ?? 'cli', input },
    {
      rpc: connect(),
      clock: systemClock,
      deadline: { remainingMs: () => (stopped ? 0 : noDeadline.remainingMs()) },
      log: silentLog,
      metrics: noMetrics,
      ...(json ? {} : { onProgress: bars.onProgress }),
    },
  ).finally(bars.stop);
  if (json) print(result.run);
  else showResult(result);
  process.exitCode = exitCodeOf(result);
}

function showResult({ outcome, run, error }: RunResult): void {
  if (run.status === 'skipped') {
    const { message } = z.object({ message: z.string() }).parse(run.report);
    console.log(`Run skipped: ${message}`);
    return;
  }
  if (error) showError(error.describe());
  if (run.report) showReport(run.report as PurgeReport);
  console.log(
    `Run ${run.id} ${outcome === 'duplicate' ? 'had ended' : 'ended'}: ${coloured(run.status)}`,
  );
}

function exitCodeOf({ run }: RunResult): number {
  if (run.status === 'succeeded') return exitCodes.ok;
  if (run.status === 'skipped') return exitCodes.notRun;
  return run.status === 'partial' || run.status === 'continued'
    ? exitCodes.workLeft
    : exitCodes.failed;
}

async function status(options: { json?: true }) {
  const runs = await connect().call('list_runs', {}, runDocuments);
  if (options.json) print(runs);
  else showRuns(runs);
}

async function policies(options: { json?: true }) {
  const listed = await connect().call('list_retention_policies', {}, listedPolicies);
  if (options.json) print(listed);
  else showPolicies(listed);
}

async function applyMigrations(options: { databaseUrl: string }) {
  const { applied, skipped } = await migrate(options.databaseUrl);
  for (const name of applied) console.log(`applied ${name}`);
  note(`${applied.length} applied, ${skipped.length} there already`);
}

const program = new Command('nightshift')
  .description('Scheduled maintenance for Supabase Postgres, by hand.')
  .addHelpText(
    'after',
    `
Jobs: ${jobNames().join(', ')}
Connects to SUPABASE_URL with SUPABASE_SECRET_KEY, or to the stack of npm start.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 work left, 4 not run (another run, or paused).`,
  )
  .exitOverride();

program
  .command('run <job>')
  .description('run a job now')
  .option('--dry-run', 'count what would be done, change nothing')
  .option('--only <relation...>', 'only these tables, as SQL writes them: public.orders')
  .option('--force', 'go on where a safety brake would refuse')
  .option('--json', 'print the run as one JSON document')
  .action(run);
program
  .command('status')
  .description('show the latest runs')
  .option('--json', 'print them as JSON')
  .action(status);
program
  .command('policies')
  .description('show the retention policies with their backlog')
  .option('--json', 'print them as JSON')
  .action(policies);
program
  .command('migrate')
  .description('install or upgrade the nightshift schema in a database')
  .requiredOption(
    '--database-url <url>',
    'direct or session-mode connection string of the database owner',
  )
  .action(applyMigrations);

try {
  await program.parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    process.exitCode = thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  } else {
    const error = toNightshiftError(thrown);
    showError(error.describe());
    process.exitCode =
      error.code === 'NS422' || error.code === 'NS404' ? exitCodes.usage : exitCodes.failed;
  }
}
