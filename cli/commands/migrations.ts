import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../../functions/_shared/clock.ts';
import { copyRelease } from '../installation/copy.ts';
import { note } from '../ui.ts';

export function addMigrations(program: Command): void {
  program
    .command('migrations')
    .description('for projects that are migrated with the Supabase CLI')
    .command('copy')
    .description(
      'write the newest release into a migrations folder of yours, as its last migration',
    )
    .requiredOption('--to <folder>', 'the folder: ../my-app/supabase/migrations')
    .action(copyMigrations);
}

async function copyMigrations(options: { to: string }) {
  // npm runs this in our folder, and says in which one it was called.
  const folder = resolve(process.env.INIT_CWD ?? '.', options.to);
  const { file, written, oldFiles } = await copyRelease(folder, systemClock);
  console.log(written ? `Wrote ${join(folder, file)}` : `${join(folder, file)} is there already.`);
  if (oldFiles.length > 0) {
    note(
      `${oldFiles.length} files of before 0.1.0 are there as well, whose place this one takes: delete them, and run npm run nightshift -- migrate once, which takes their lines out of the history.`,
    );
  }
  if (written) note('Apply it with the rest of your migrations: supabase db push');
}
