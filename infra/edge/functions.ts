import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { jobNames } from '../../functions/registry.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** With a prefix, since an application has functions of its own. */
const edgeNameOf = (job: string) => `nightshift-${job}`;

/**
 * Writes an Edge Function for each job into the folder `functions` of a Supabase project. Each is one file that imports
 * nothing but node:crypto, which Edge Runtime has: so it can be deployed with Docker, without it, and by pasting.
 */
export async function writeFunctions(supabaseFolder: string): Promise<string[]> {
  return Promise.all(
    jobNames.map(async (job) => {
      const name = edgeNameOf(job);
      const folder = join(supabaseFolder, 'functions', name);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'index.ts'), await bundleOf(job));
      // Without one of its own it would take part in whatever the project has in the folder above.
      await writeFile(join(folder, 'deno.json'), '{}\n');
      return name;
    }),
  );
}

async function bundleOf(job: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'functions', job, 'edge.ts')],
    bundle: true,
    minify: true,
    // For a stack in the log that says where.
    keepNames: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    target: 'es2022',
    external: ['node:crypto'],
    // It is JavaScript; the command line of Supabase deploys what is called index.ts.
    banner: { js: '// @ts-nocheck Made by Nightshift: npm run gen:functions' },
    write: false,
  });
  return outputFiles[0]?.text ?? '';
}

/** What config.toml must say, or a deployment turns the check of the gateway on, which refuses our token. */
export function configOf(names: readonly string[]): string {
  return names.map((name) => `[functions.${name}]\nverify_jwt = false\n`).join('\n');
}
