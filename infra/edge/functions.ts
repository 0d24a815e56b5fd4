import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { version } from '../../functions/_shared/version.ts';
import { jobNames } from '../../functions/registry.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** With a prefix, since an application has functions of its own. */
const edgeNameOf = (job: string) => `nightshift-${job}`;

interface Bundle {
  code: string;
  metafile: Metafile;
}

/** Made once in a process, which takes no change of its own sources any more either. */
const bundles = new Map<string, Promise<Bundle>>();

/**
 * Writes an Edge Function for each job into the folder `functions` of a Supabase project. Each is one file that imports
 * nothing but node:crypto, which Edge Runtime has: so it can be deployed with Docker, without it, and by pasting.
 */
export async function writeFunctions(
  supabaseFolder: string,
  { onMade = () => {} }: { onMade?: (metafile: Metafile) => void } = {},
): Promise<string[]> {
  return Promise.all(
    jobNames.map(async (job) => {
      const name = edgeNameOf(job);
      const folder = join(supabaseFolder, 'functions', name);
      const { code, metafile } = await bundleOf(job);
      onMade(metafile);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'index.ts'), code);
      // Without one of its own it would take part in whatever the project has in the folder above.
      await writeFile(join(folder, 'deno.json'), '{}\n');
      return name;
    }),
  );
}

function bundleOf(job: string): Promise<Bundle> {
  const bundle = bundles.get(job) ?? makeBundle(job);
  bundles.set(job, bundle);
  return bundle;
}

async function makeBundle(job: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(root, 'functions', job, 'edge.ts')],
    absWorkingDir: root,
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
    banner: { js: `// @ts-nocheck Nightshift ${version}, made by: npm run gen:functions` },
    metafile: true,
    write: false,
  });
  return { code: outputFiles[0]?.text ?? '', metafile };
}
