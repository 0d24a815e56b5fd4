import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isClone, root } from './origin.ts';

/** Made when the package was. */
const made = new URL('dist/functions/', root);

/** Writes the Edge Functions into the Supabase folder of an application, in place of older ones; returns their names. */
export async function copyFunctions(supabaseFolder: string): Promise<string[]> {
  if (isClone) {
    const { writeFunctions } = await import('../../infra/edge/functions.ts');
    return writeFunctions(supabaseFolder);
  }
  await cp(made, join(supabaseFolder, 'functions'), { recursive: true });
  return readdir(made);
}
