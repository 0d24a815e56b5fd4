import { Command, CommanderError, InvalidArgumentError } from 'commander';
import * as z from 'zod';
import { runnerRole } from '../functions/_shared/access.ts';
import { deadlineIn, systemClock } from '../functions/_shared/clock.ts';
import { connectDirect } from '../functions/_shared/direct.ts';
import { NightshiftError, toNightshiftError } from '../functions/_shared/errors.ts';
import { silentLog } from '../functions/_shared/log.ts';
import { noMetrics } from '../functions/_shared/metrics.ts';
import { type RunResult, runJob } from '../functions/_shared/run.ts';
import { worstOf } from '../functions/health-check/rules.ts';
import { jobNames, loadJob } from '../infra/local/jobs.ts';
import { readStatus } from './commands/status.ts';
import { mintToken } from './commands/token.ts';
import { connect, noDeadline } from './connect.ts';
import { doctor, showDiagnosis } from './doctor/index.ts';
import { applyMigrations, copyMigrations, removeFromDatabase } from './installation/commands.ts';
import { lookAtHealth, showHealth } from './present/health-check.ts';
import { presenters } from './present/index.ts';
import { coloured, heading, progressBars, showError, utc } from './ui.ts';

/** Exit codes, for scripts: see `npm run nightshift -- --help`. */
const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  workLeft: 3,
  notRun: 4,
  warning: 5,
  critical: 6,
} as const;

/** A doctor who waits for a database that does not answer is no help. */
const doctorBudgetMs = 10_000;

const exitCodeOfLevel = {
  ok: exitCodes.ok,
  info: exitCodes.ok,
  unknown: exitCodes.warning,
  warning: exitCodes.warning,
  critical: exitCodes.critical,
} as const;

function print(document: unknown): void {
  console.log(JSON.stringify(document, null, 2));
}

async function run(
  name: string,
  options: {
    dryRun?: true;
    only?: string[];
    ancestors?: true;
    descendants?: true;
    force?: true;
    parallelism?: number;
    json?: true;
  },
) {
  const job = await loadJob(name);
  const { json, ...input } = options;
  const bars = progressBars();
  const { rpc, databaseUrl } = connect();
  const direct = databaseUrl ? connectDirect(databaseUrl, noDeadline) : undefined;
  let stopped = false;
  // The first Ctrl-C lets the batch under way commit and the run be written down; a second one kills.
  process.once('SIGINT', () => {
    stopped = true;
    console.error('\nStopping after what is under way; press Ctrl-C again to quit at once.');
  });
  const result = await runJob(
    job,
    { trigger: 'cli', requestedBy: process.env.USER ?? 'cli', input },
    {
      rpc,
      direct,
      clock: systemClock,
      deadline: { remainingMs: () => (stopped ? 0 : noDeadline.remainingMs()) },
      log: silentLog,
      metrics: noMetrics,
      ...(json ? {} : { onProgress: bars.onProgress }),
    },
  ).finally(async () => {
    bars.stop();
    await direct?.close();
  });
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
  if (run.report) presenters[run.job]?.showReport(run.report as never);
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

async function status(options: { stage: string; json?: true }) {
  const { document, show } = await readStatus(connect().rpc, systemClock, options.stage);
  if (options.json) print(document);
  else show();
}

async function health(checks: string[], options: { all?: true; json?: true }) {
  const document = await lookAtHealth(connect().rpc, checks.length > 0 ? checks : undefined);
  const level = worstOf(document.checks.map((check) => check.level));
  if (options.json) print({ level, ...document });
  else showHealth(document, { all: options.all ?? checks.length > 0 });
  process.exitCode = exitCodeOfLevel[level];
}

async function examine(options: { url?: string; json?: true }) {
  const { rpc, databaseUrl } = connect(deadlineIn(systemClock, doctorBudgetMs));
  const findings = await doctor({
    rpc,
    databaseUrl,
    functionsUrl: options.url,
    clock: systemClock,
    environment: process.env,
  });
  if (options.json) print(findings);
  else showDiagnosis(findings);
  process.exitCode = findings.some(({ level }) => level === 'failed')
    ? exitCodes.failed
    : exitCodes.ok;
}

async function policies(options: { json?: true }) {
  const { rpc } = connect();
  const documents: Record<string, unknown> = {};
  for (const [job, { title, policies }] of Object.entries(presenters)) {
    if (!policies) continue;
    const { document, show } = await policies(rpc);
    documents[job] = document;
    if (options.json) continue;
    heading(title);
    show();
  }
  if (options.json) print(documents);
}

async function plan(name: string, options: { json?: true }) {
  const { plan } = presenters[(await loadJob(name)).name] ?? {};
  if (!plan) {
    throw new NightshiftError('NS404', `${name} has no plan of its own`, {
      hint: `See what it would do with: npm run nightshift -- run ${name} --dry-run`,
    });
  }
  const { document, show } = await plan(connect().rpc);
  if (options.json) print(document);
  else show();
}

async function token({ days }: { days: number }) {
  const minted = await mintToken(process.env, days, systemClock);
  // On stderr, so that stdout is the token and nothing else.
  console.error(`For the role ${runnerRole}, good until ${utc(minted.expiresAtMs)} UTC.`);
  console.log(minted.token);
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It takes a whole number.');
  return Number(text);
}

/** Without `--`, npm takes options for itself: a dry run would be a real one. */
function refuseOptionsTakenByNpm(options: readonly string[]): void {
  if (process.env.npm_lifecycle_event !== 'nightshift') return;
  const taken = options.filter(
    (name) =>
      process.env[`npm_config_${name.replaceAll('-', '_')}`] && !process.argv.includes(`--${name}`),
  );
  if (taken.length === 0) return;
  throw new NightshiftError(
    'NS422',
    `npm took ${taken.map((name) => `--${name}`).join(' and ')} for itself`,
    {
      detail: 'Nothing was run.',
      hint: 'Put -- before the arguments: npm run nightshift -- run retention-purge --dry-run',
    },
  );
}

const program = new Command('nightshift')
  .description('Scheduled maintenance for Supabase Postgres, by hand.')
  .addHelpText(
    'after',
    `
Jobs: ${jobNames().join(', ')}
Connects to SUPABASE_URL with SUPABASE_SECRET_KEY (or SUPABASE_PUBLISHABLE_KEY and NIGHTSHIFT_RUNNER_TOKEN),
or to the stack of npm start.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 work left, 4 not run (another run, or paused);
of health: 0 nothing worse than info, 5 warnings or checks that could not run, 6 something critical.`,
  )
  .exitOverride();

program
  .command('run <job>')
  .description('run a job now')
  .option('--dry-run', 'count what would be done, change nothing')
  .option('--only <relation...>', 'only these tables or views, as SQL writes them: public.orders')
  .option('--ancestors', 'view-refresh: with --only, also the views that those read')
  .option('--descendants', 'view-refresh: with --only, also the views that read those')
  .option('--force', 'go on where a safety brake would refuse; refresh what has not changed')
  .option(
    '--parallelism <number>',
    'view-refresh: how many views at once, 1 to 8 (default 2)',
    wholeNumber,
  )
  .option('--json', 'print the run as one JSON document')
  .action(run);
program
  .command('status')
  .description('show how each job is doing, and the latest runs')
  .option('--stage <stage>', 'whose schedules to go by, of those in serverless.yml', 'prod')
  .option('--json', 'print them as JSON')
  .action(status);
program
  .command('health [check...]')
  .description(
    'look at the database and the night shift now, worst first, with the SQL that mends it',
  )
  .option('--all', 'also list what is well')
  .option('--json', 'print it as JSON')
  .action(health);
program
  .command('doctor')
  .description(
    'find out why a deployment does not work: keys, schema, versions, timeouts, connections',
  )
  .option('--url <url>', 'where the functions are deployed, to ask them as well: https://<api>')
  .option('--json', 'print it as JSON')
  .action(examine);
program
  .command('policies')
  .description('show all policies: the backlog of tables, the age of views, the partitions')
  .option('--json', 'print them as JSON')
  .action(policies);
program
  .command('plan <job>')
  .description(
    'show what a run would do and why, without one: a tree of the views, a time line of the partitions',
  )
  .option('--json', 'print it as JSON')
  .action(plan);
program
  .command('migrate')
  .description('install or upgrade the nightshift schema in a database')
  .requiredOption(
    '--database-url <url>',
    'direct or session-mode connection string of the database owner',
  )
  .action(applyMigrations);
program
  .command('migrations')
  .description('for projects that are migrated with the Supabase CLI')
  .command('copy')
  .description('write the newest release into a migrations folder of yours, as its last migration')
  .requiredOption('--to <folder>', 'the folder: ../my-app/supabase/migrations')
  .action(copyMigrations);
program
  .command('uninstall')
  .description(
    'take the nightshift schema out of a database again; without --yes only say what would go',
  )
  .requiredOption(
    '--database-url <url>',
    'direct or session-mode connection string of the database owner',
  )
  .option('--yes', 'do it')
  .action(removeFromDatabase);
program
  .command('token')
  .description(
    'make a runner token, which may run jobs and nothing else, signed with SUPABASE_JWT_SECRET of the environment',
  )
  .option('--days <number>', 'how long it is good for, 1 to 365', wholeNumber, 90)
  .action(token);

// Whoever reads only the first lines, as head does, is done with us.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

try {
  refuseOptionsTakenByNpm(
    program.commands
      .flatMap((command) => [command, ...command.commands])
      .flatMap(({ options }) => options.map(({ long }) => long?.slice(2) ?? '')),
  );
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
