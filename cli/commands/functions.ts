import { cp, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { nextSteps } from '../../infra/edge/config.ts';
import { isClone, root } from '../installation/origin.ts';
import { folderOf } from '../options.ts';

/** Made when the package was. */
const made = new URL('dist/functions/', root);

export function addFunctions(program: Command): void {
  program
    .command('functions')
    .description('the jobs as Edge Functions of Supabase')
    .command('copy')
    .description('write them into the Supabase folder of your application, in place of older ones')
    .requiredOption('--to <folder>', 'the folder: ../my-app/supabase')
    .action(copyFunctions);
}

async function copyFunctions(options: { to: string }) {
  const folder = folderOf(options.to);
  if (isClone) {
    throw new NightshiftError('NS422', 'In a clone, the functions are made from its sources', {
      detail: 'Nothing was written.',
      hint: `npm run gen:functions -- ${folder}`,
    });
  }
  await requireFolder(folder);
  const names = (await readdir(made)).sort();
  for (const name of names) {
    const target = join(folder, 'functions', name);
    await cp(new URL(name, made), target, { recursive: true });
    console.log(`Wrote ${target}`);
  }
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
