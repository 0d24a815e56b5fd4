import { readdir, readFile } from 'node:fs/promises';
import { runScript } from '../../cli/installation/migrate.ts';

const seeds = new URL('../../supabase/seeds/', import.meta.url);

/** Runs `supabase/seeds/<name>.sql`. */
export async function loadSeed(databaseUrl: string, name: string): Promise<void> {
  const file = `${name}.sql`;
  const files = await readdir(seeds);
  if (!files.includes(file)) {
    const names = files.filter((each) => each.endsWith('.sql')).map((each) => each.slice(0, -4));
    throw new Error(`There is no seed '${name}'. Seeds: ${names.join(', ') || 'none'}.`);
  }
  await runScript(databaseUrl, file, await readFile(new URL(file, seeds), 'utf8'));
}
