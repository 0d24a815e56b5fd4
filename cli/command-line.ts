import { Command, CommanderError } from 'commander';
import { NightshiftError, toNightshiftError } from '../functions/_shared/errors.ts';
import { version } from '../functions/_shared/version.ts';
import { jobNames } from '../functions/registry.ts';
import { addCancel } from './commands/cancel.ts';
import { addDeployment } from './commands/deployment.ts';
import { addDoctor } from './commands/doctor.ts';
import { addFunctions } from './commands/functions.ts';
import { addHealth } from './commands/health.ts';
import { addInit } from './commands/init.ts';
import { addKeyQueries } from './commands/key-queries.ts';
import { addMigrate } from './commands/migrate.ts';
import { addMigrations } from './commands/migrations.ts';
import { addPlan } from './commands/plan.ts';
import { addPolicies } from './commands/policies.ts';
import { addRun } from './commands/run.ts';
import { addRuns } from './commands/runs.ts';
import { addSoftDelete } from './commands/soft-delete.ts';
import { addStatus } from './commands/status.ts';
import { addToken } from './commands/token.ts';
import { addTrends } from './commands/trends.ts';
import { addUninstall } from './commands/uninstall.ts';
import { addWebhook } from './commands/webhook.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import { isClone, nightshift } from './installation/origin.ts';
import { printJson, showError } from './ui.ts';

function createProgram(): Command {
  const program = new Command('nightshift')
    .description('Scheduled maintenance for Supabase Postgres, by hand.')
    .version(version, '--version', 'say which release this is')
    .addHelpText(
      'after',
      `
Jobs: ${jobNames.join(', ')}
Connects to SUPABASE_URL with SUPABASE_SECRET_KEY (or SUPABASE_PUBLISHABLE_KEY and NIGHTSHIFT_RUNNER_TOKEN)${isClone ? ',\nor to the stack of npm start' : ''}.
Exit codes: 0 done, 1 failed, 2 wrong usage (nothing was run), 3 work left, 4 not run (another run, or paused);
of health: 0 nothing worse than info, 5 warnings or checks that could not run, 6 something critical.`,
    );
  // In the order of the help.
  addInit(program);
  addRun(program);
  addStatus(program);
  addRuns(program);
  addCancel(program);
  addHealth(program);
  addTrends(program);
  addKeyQueries(program);
  addDoctor(program);
  addPolicies(program);
  addPlan(program);
  addSoftDelete(program);
  addMigrate(program);
  addMigrations(program);
  addFunctions(program);
  addDeployment(program);
  addUninstall(program);
  addToken(program);
  addWebhook(program);
  sayOfWhich(program, 'nightshift');
  return program;
}

/** What is wrong with a call is said of the command that was called. */
function sayOfWhich(command: Command, call: string): void {
  const named = (text: string) => text.replace(/^error: /, `error: ${call}: `);
  const [, ...words] = call.split(' ');
  const asked = words.join(' ') || '<command>';
  command
    .showHelpAfterError(`  Fix: ${nightshift} ${asked} --help says what it takes.`)
    .configureOutput({ outputError: (text, write) => write(named(text)) })
    .exitOverride((error) => {
      error.message = named(error.message);
      throw error;
    });
  for (const below of command.commands) sayOfWhich(below, `${call} ${below.name()}`);
}

/** By what npm says it does. */
const calls: Record<string, string> = {
  nightshift: 'npm run nightshift --',
  npx: 'npm exec -- nightshift',
};

/** Without `--`, npm takes options for itself: a dry run would be a real one. */
function refuseOptionsTakenByNpm(options: readonly string[], args: readonly string[]): void {
  const event = process.env.npm_lifecycle_event ?? '';
  const call = calls[event];
  if (!call) return;
  const taken = [...new Set(options)].filter(
    (name) =>
      process.env[`npm_config_${name.replaceAll('-', '_')}`] &&
      !args.includes(`--${name}`) &&
      // npx --yes is an answer to npm.
      !(event === 'npx' && name === 'yes'),
  );
  if (taken.length === 0) return;
  throw new NightshiftError(
    'NS422',
    `npm took ${taken.map((name) => `--${name}`).join(' and ')} for itself`,
    {
      detail: 'Nothing was run.',
      hint: `Put -- before the arguments: ${call} run retention-purge --dry-run`,
    },
  );
}

/** Does what the arguments say. What it prints and the exit code are of this process; it never throws. */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  const program = createProgram();
  try {
    refuseOptionsTakenByNpm(
      program.commands
        .flatMap((command) => [command, ...command.commands])
        .flatMap(({ options }) => options.map(({ long }) => long?.slice(2) ?? '')),
      args,
    );
    await program.parseAsync(args, { from: 'user' });
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      // It has said what is wrong.
      process.exitCode = thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
      if (thrown.exitCode !== 0) printFailure(misused(thrown), args);
    } else {
      const error = toNightshiftError(thrown);
      showError(error.describe());
      printFailure(error, args);
      process.exitCode = exitCodeOf(error);
    }
  }
}

/** Where a document was asked for, a command that fails prints one as well. */
function printFailure(error: NightshiftError, args: readonly string[]): void {
  if (args.includes('--json')) printJson({ error: error.describe() });
}

function misused({ message }: CommanderError): NightshiftError {
  return new NightshiftError('NS422', message.replace(/^error: /, ''), {
    hint: `${nightshift} --help`,
  });
}
