import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, Option } from 'commander';
import { systemClock } from '../../functions/_shared/clock.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { parseDatabaseUrl } from '../../functions/_shared/postgres-client.ts';
import { localSettings } from '../connect.ts';
import { exitCodes } from '../exit-codes.ts';
import { type Answers, ask, readAnswers } from '../init/answers.ts';
import { type Found, findProposals } from '../init/find.ts';
import { type Home, homes, writeHome } from '../init/homes.ts';
import { knownIn, writeMigrations } from '../init/migration.ts';
import type { Proposal } from '../init/proposal.ts';
import { showLeftOut, showProposals } from '../init/show.ts';
import { nightshift } from '../installation/origin.ts';
import { count, many, note, printJson, say } from '../ui.ts';

interface Options {
  databaseUrl?: string;
  to: string;
  on?: Home;
  yes?: true;
  answers?: string;
  check?: true;
  json?: true;
}

/** What was written, and what is left for whoever called. */
interface Outcome {
  files: string[];
  next: string[];
}

export function addInit(program: Command): void {
  program
    .command('init')
    .description(
      'look at a database and propose policies for it, as a migration in which nothing works until you arm it',
    )
    .option(
      '--database-url <url>',
      'connection string of the database owner; by default NIGHTSHIFT_DATABASE_URL, or that of npm start',
    )
    .option('--to <folder>', 'the folder of your application, in which supabase is', '.')
    .addOption(
      new Option('--on <home>', 'also write what the jobs need to run there').choices(homes),
    )
    .addOption(new Option('--yes', 'write all that is proposed').conflicts(['answers', 'check']))
    .addOption(
      new Option('--answers <file>', 'write what this file says, as --json prints it').conflicts(
        'check',
      ),
    )
    .option('--check', 'write nothing; fail where something is not proposed yet, or no longer fits')
    .option('--json', 'print it as JSON')
    .action(init);
}

async function init(options: Options): Promise<void> {
  const { databaseUrl, isLocal } = databaseOf(options);
  const folder = folderOf(options);
  const migrations = resolve(folder, 'supabase/migrations');
  const { host, pathname } = parseDatabaseUrl(databaseUrl);
  console.error(
    `Database: ${isLocal ? 'the local stack, ' : ''}${host}${pathname}\nFolder: ${folder}`,
  );
  const found = await findProposals(databaseUrl);
  const known = await knownIn(migrations);
  const proposals = found.proposals.filter(({ id }) => !known.has(id));
  if (!options.json) show(found, proposals);
  const answers = options.check ? undefined : await answersOf(options, proposals);
  const written = answers && (await write(answers, proposals, { folder, migrations }));
  if (options.json) {
    const all = found.proposals.map((each) => ({ ...each, known: known.has(each.id) }));
    printJson({
      ...found,
      proposals: all,
      written: written?.files ?? [],
      next: written?.next ?? [],
      answers: answers ?? defaultAnswers(options, proposals),
    });
  } else {
    tell(options, proposals, written);
  }
  // For a pipeline: it is not what was agreed on.
  if (options.check && proposals.length + found.drift.length > 0) {
    process.exitCode = exitCodes.failed;
  }
}

function tell({ check, on }: Options, proposals: readonly Proposal[], written?: Outcome): void {
  if (written) {
    for (const file of written.files) console.log(`Wrote ${file}`);
    for (const line of written.next) note(line);
  } else if (check && proposals.length > 0) {
    note(
      `That is not in the migrations of this folder yet. To write it: ${nightshift} init --yes; to decline some of it: --answers <file>.`,
    );
  } else if (proposals.length > 0 || on) {
    note(
      'Nothing was written. To take all of it: --yes. To choose: --answers <file>, whose form --json prints as "answers".',
    );
  }
}

function databaseOf({ databaseUrl = process.env.NIGHTSHIFT_DATABASE_URL }: Options) {
  if (databaseUrl?.trim()) return { databaseUrl, isLocal: false };
  const local = localSettings()?.NIGHTSHIFT_DATABASE_URL;
  if (local) return { databaseUrl: local, isLocal: true };
  throw new NightshiftError('NS422', 'There is no connection string of the database', {
    detail: 'Nothing was written.',
    hint: 'Pass it as --database-url, or export it as NIGHTSHIFT_DATABASE_URL (Dashboard > Connect > Session pooler).',
  });
}

const ownFolder = fileURLToPath(new URL('../..', import.meta.url));

function folderOf({ to }: Options): string {
  // npm runs this in our folder, and says in which one it was called.
  const folder = resolve(process.env.INIT_CWD ?? '.', to);
  if (folder === resolve(ownFolder)) {
    throw new NightshiftError(
      'NS422',
      'This is the folder of Nightshift, not of your application',
      {
        detail: 'Nothing was written.',
        hint: 'Name the folder in which your supabase folder is, or is to be: --to ../my-app',
      },
    );
  }
  if (!existsSync(folder)) {
    throw new NightshiftError('NS404', `There is no folder ${folder}`, {
      detail: 'Nothing was written.',
      hint: 'Name the folder of your application, in which your supabase folder is, or is to be: --to ../my-app',
    });
  }
  return folder;
}

function show({ proposals: all, leftOut, drift }: Found, proposals: readonly Proposal[]): void {
  showProposals(proposals);
  showLeftOut(leftOut, 'Looked at, and not proposed');
  showLeftOut(drift, 'Declared, and no longer as the tables are');
  const known = all.length - proposals.length;
  if (proposals.length > 0) {
    const others = known > 0 ? ` ${count(known)} more are in the migrations of this folder.` : '';
    say(`\nProposed: ${count(proposals.length)}. ${allInWords(proposals)}${others}`);
  } else if (known > 0) {
    say(
      `\nNothing new: ${known === 1 ? 'the one proposal is' : `all ${count(known)} proposals are`} in the migrations of this folder.`,
    );
  } else if (leftOut.length > 0) {
    say('\nNothing to propose but what is above, for which there are reasons against it.');
  } else {
    say(
      '\nNothing to do: no table here has rows that are marked as deleted or age by themselves, and no view or partitioned table is without a policy.',
    );
  }
}

/** What a purge of all that is proposed would do, and where that could not be counted. */
function allInWords(proposals: readonly Proposal[]): string {
  const purges = proposals.filter(({ kind }) => kind === 'retention');
  const counted = purges.filter(({ rowsTonight }) => rowsTonight !== null);
  const uncounted = purges.length - counted.length;
  const rows = counted.reduce((sum, { rowsTonight }) => sum + (rowsTonight ?? 0), 0);
  const isExact = counted.every(({ rowsTonightExact }) => rowsTonightExact);
  const most = counted.some(({ rowsTonightAtMost }) => rowsTonightAtMost) ? 'at most ' : '';
  return [
    ...(counted.length > 0 || uncounted === 0
      ? [
          `Were all of them armed, ${most}${count(rows, isExact)} rows would go tonight, and what goes with them.`,
        ]
      : []),
    ...(uncounted > 0
      ? [
          `Of ${many(uncounted, 'table')} it is not known how many rows would go: the time for counting ran out. Call init again in a quieter hour, or arm one policy at a time, and look before the night: ${nightshift} run retention-purge --dry-run counts exactly, and deletes nothing.`,
        ]
      : []),
  ].join(' ');
}

/** Undefined: nobody has said what is to be written. */
async function answersOf(
  options: Options,
  proposals: readonly Proposal[],
): Promise<Answers | undefined> {
  if (options.answers) {
    // Found as the folder is.
    const file = resolve(process.env.INIT_CWD ?? '.', options.answers);
    const answers = await readAnswers(file, proposals);
    return { ...answers, home: options.on ?? answers.home };
  }
  if (options.yes) return defaultAnswers(options, proposals);
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
  if (options.json || !isTerminal || proposals.length === 0) return undefined;
  return ask(proposals, options.on ?? null);
}

function defaultAnswers({ on }: Options, proposals: readonly Proposal[]): Answers {
  return { home: on ?? null, proposals: Object.fromEntries(proposals.map(({ id }) => [id, true])) };
}

async function write(
  { home, proposals: chosen }: Answers,
  proposals: readonly Proposal[],
  { folder, migrations }: { folder: string; migrations: string },
): Promise<Outcome> {
  const answered = proposals.filter(({ id }) => chosen[id] !== undefined);
  const taken = answered.filter(({ id }) => chosen[id]);
  const declined = answered.filter(({ id }) => !chosen[id]);
  const inMigrations =
    answered.length > 0 || home
      ? await writeMigrations(migrations, { taken, declined }, systemClock)
      : [];
  const ofHome = home ? await writeHome(home, folder) : { files: [], next: [] };
  const files = [...inMigrations, ...ofHome.files]
    .filter(({ written }) => written)
    .map(({ file }) => file);
  const next =
    taken.length > 0
      ? [
          `Read the migration, and apply it with the rest of yours: supabase db push. Then add nightshift to the exposed schemas (Project Settings > Data API), arm a policy, and look: ${nightshift} run retention-purge --dry-run`,
        ]
      : [];
  return { files, next: [...next, ...ofHome.next] };
}
