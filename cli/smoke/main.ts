import { randomBytes } from 'node:crypto';
import { Command, CommanderError } from 'commander';
import type postgres from 'postgres';
import * as z from 'zod';
import { NightshiftError, toNightshiftError } from '../../functions/_shared/errors.ts';
import { openPostgres, requireAnswer } from '../../functions/_shared/postgres-client.ts';
import type { Rpc } from '../../functions/_shared/rpc.ts';
import { connect } from '../connect.ts';
import { exitCodeOf, exitCodes } from '../exit-codes.ts';
import { toConnectionError } from '../installation/connection-error.ts';
import { installation, inWords } from '../installation/installed.ts';
import { databaseUrlOption } from '../options.ts';
import { printOnlyText } from '../printable.ts';
import { heading, note, showError } from '../ui.ts';
import { applicationIn, create, remove, traces } from './application.ts';
import { trials } from './trials.ts';

printOnlyText();

const program = new Command('smoke')
  .description(
    'Tries Nightshift on a project that has it: each job, on tables of its own, which are gone at the end.',
  )
  .addOption(databaseUrlOption())
  .showHelpAfterError('  Fix: npm run smoke -- --help says what it takes.')
  .exitOverride()
  .action(smoke);

async function smoke({ databaseUrl }: { databaseUrl: string }): Promise<void> {
  const { rpc } = await connect();
  const application = applicationIn(`nightshift_smoke_${randomBytes(4).toString('hex')}`);
  await requireAnswer(databaseUrl).catch((thrown: unknown) => {
    throw toConnectionError(thrown, databaseUrl);
  });
  const sql = openPostgres(databaseUrl, { max: 1 });
  let stopped = false;
  process.once('SIGINT', () => {
    stopped = true;
    console.error('\nStopping after what is under way, and taking everything away.');
  });
  try {
    await requireSameDatabase(sql, rpc).catch((thrown: unknown) => {
      throw toConnectionError(thrown, databaseUrl);
    });
    note(`Everything is made in the schema ${application.schema}, and runs name its tables only.`);
    await create(sql, application);
    for (const [what, attempt] of Object.entries(trials(sql, rpc, databaseUrl, application))) {
      if (stopped) throw new NightshiftError('NS409', 'Stopped before the end');
      console.log(`ok  ${what}: ${await attempt()}`);
    }
    heading('Nightshift works here.');
  } finally {
    await remove(sql, application);
    await confirmGone(sql, application.schema);
    await sql.end({ timeout: 5 });
  }
}

/** What the API and the connection say of the database: that it is the same, that Nightshift is there, and not paused. */
async function requireSameDatabase(sql: postgres.Sql, rpc: Rpc): Promise<void> {
  const api = await rpc.call('describe_installation', {}, installation);
  const [row] = await sql`select nightshift.describe_installation() as installation`;
  const direct = z.object({ installation }).parse(row).installation;
  if (api.database !== direct.database) {
    throw new NightshiftError('NS422', 'SUPABASE_URL and --database-url lead to two databases', {
      hint: 'Copy both from the same project.',
    });
  }
  if (api.paused) throw new NightshiftError('NS428', inWords(api.paused));
}

async function confirmGone(sql: postgres.Sql, schema: string): Promise<void> {
  const left = Object.entries(await traces(sql, schema));
  if (left.length === 0) {
    note(`Dropped the schema ${schema}, its policies, and what the ledger had of these runs.`);
    return;
  }
  const where = left.map(([table, rows]) => `${rows} in ${table}`).join(', ');
  throw new NightshiftError('NS500', `Rows that name ${schema} were left behind: ${where}`, {
    hint: 'Delete them by hand, and report this.',
  });
}

try {
  await program.parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    // It has said what is wrong.
    process.exitCode = thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  } else {
    const error = toNightshiftError(thrown);
    showError(error.describe());
    process.exitCode = exitCodeOf(error);
  }
}
