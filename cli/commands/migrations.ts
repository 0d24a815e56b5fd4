import { join } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../../functions/_shared/clock.ts';
import { copyRelease, requireCopy } from '../installation/copy.ts';
import { nightshift } from '../installation/origin.ts';
import { newestRelease } from '../installation/release.ts';
import { folderOf } from '../options.ts';
import { note } from '../ui.ts';

const folder = ['--to <folder>', 'the folder: ../my-app/supabase/migrations'] as const;

export function addMigrations(program: Command): void {
  const migrations = program
    .command('migrations')
    .description('for projects that are migrated with the Supabase CLI');
  migrations
    .command('copy')
    .description(
      'write the newest release into a migrations folder of yours, as its last migration',
    )
    .requiredOption(...folder)
    .action(copyMigrations);
  migrations
    .command('check')
    .description('say whether the newest release is in that folder, as it is here; for a pipeline')
    .requiredOption(...folder)
    .action(checkMigrations);
  migrations
    .command('print')
    .description('print the SQL of the newest release')
    .action(printMigrations);
}

async function copyMigrations(options: { to: string }) {
  const folder = folderOf(options.to);
  const { file, written, oldFiles } = await copyRelease(folder, systemClock);
  console.log(written ? `Wrote ${join(folder, file)}` : `${join(folder, file)} is there already.`);
  if (oldFiles.length > 0) {
    note(
      `${oldFiles.length} files of before 0.1.0 are there as well, whose place this one takes: delete them, and run ${nightshift} migrate once, which takes their lines out of the history.`,
    );
  }
  if (written) note('Apply it with the rest of your migrations: supabase db push');
}

async function checkMigrations(options: { to: string }) {
  const folder = folderOf(options.to);
  const { file, version } = await requireCopy(folder);
  console.log(`${join(folder, file)} is ${version}, as it is here.`);
}

async function printMigrations() {
  process.stdout.write((await newestRelease()).text);
}
