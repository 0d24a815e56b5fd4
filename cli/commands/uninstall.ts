import type { Command } from 'commander';
import { toConnectionError } from '../installation/connection-error.ts';
import { uninstall } from '../installation/uninstall.ts';
import { databaseUrlOption } from '../options.ts';
import { many, note } from '../ui.ts';

export function addUninstall(program: Command): void {
  program
    .command('uninstall')
    .description(
      'take the nightshift schema out of a database again; without --yes only say what would go',
    )
    .addOption(databaseUrlOption())
    .option('--yes', 'do it')
    .action(removeFromDatabase);
}

async function removeFromDatabase(options: { databaseUrl: string; yes?: true }) {
  const found = await uninstall(options.databaseUrl, { confirmed: options.yes ?? false }).catch(
    (thrown: unknown) => {
      throw toConnectionError(thrown, options.databaseUrl);
    },
  );
  const what = `the schema nightshift with ${many(found.policies, 'policy', 'policies')} and the ledger of ${many(found.runs, 'run')}`;
  if (found.unrecorded) {
    console.log('What is there is from before 0.1.0, or broke off while it was made.');
  }
  console.log(options.yes ? 'Removed:' : 'Would remove:');
  console.log(`  ${what}`);
  if (found.schedules > 0) {
    console.log(`  its jobs of pg_cron, for ${many(found.schedules, 'schedule')}`);
  }
  for (const name of found.retired) console.log(`  the constraint nightshift_retired of ${name}`);
  console.log('  its lines in the history of the Supabase CLI, if there are any');
  if (!options.yes) console.log('  the role nightshift_runner, where no other database needs it');
  else if (found.roleStays)
    note(
      'The role nightshift_runner stays: another database needs it, or it is not yours to drop.',
    );
  else console.log('  the role nightshift_runner');
  if (options.yes) {
    note(
      'If a migrations folder of yours has a copy of a release, delete it: the next supabase db push would install it again.',
    );
    return;
  }
  const inTheWay = [
    ...found.running.map((job) => `a run of ${job} that is under way`),
    ...found.softDeleted.map(
      (name) => `soft delete of ${name}, until you call soft-delete disable for it`,
    ),
    ...found.dependents,
    ...found.strangers,
  ];
  for (const what of inTheWay) console.log(`In the way: ${what}`);
  if (inTheWay.length > 0) {
    note(
      'Nothing was removed, nor would it be with --yes. Call it again when nothing is in the way.',
    );
    return;
  }
  note(
    'Nothing was removed. First take nightshift off the exposed schemas (Project Settings > Data API): while one is exposed that is not there, the Data API answers nothing at all. Then the same with --yes.',
  );
}
