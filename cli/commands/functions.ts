import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { nextSteps } from '../../infra/edge/config.ts';
import { copyFunctions } from '../installation/edge-functions.ts';
import { folderOf } from '../options.ts';

export function addFunctions(program: Command): void {
  program
    .command('functions')
    .description('the jobs as Edge Functions of Supabase')
    .command('copy')
    .description('write them into the Supabase folder of your application, in place of older ones')
    .requiredOption('--to <folder>', 'the folder: ../my-app/supabase')
    .action(copy);
}

async function copy(options: { to: string }) {
  const folder = folderOf(options.to);
  await requireFolder(folder);
  const names = await copyFunctions(folder);
  for (const name of names) console.log(`Wrote ${join(folder, 'functions', name)}`);
  console.log(`\n${nextSteps(join(folder, 'config.toml'), names)}`);
}

async function requireFolder(folder: string): Promise<void> {
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) return;
  throw new NightshiftError('NS404', `There is no folder ${folder}`, {
    detail: 'Nothing was written.',
    hint: 'Name the Supabase folder of your application: --to ../my-app/supabase. If there is none yet, run supabase init there.',
  });
}
