import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { writeFunctions } from '../edge/functions.ts';
import { noticesOf } from './notices.ts';

/**
 * Makes what npm packs besides the client and the migration: the command line as one file for Node, and the Edge Functions.
 * Both have their dependencies in them, so that an installation fetches nothing.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const dist = join(root, 'dist');

await Promise.all(
  ['cli', 'client', 'functions'].map((folder) =>
    rm(join(dist, folder), { recursive: true, force: true }),
  ),
);
const { metafile } = await build({
  entryPoints: ['cli/bin.ts', 'cli/main.ts'],
  absWorkingDir: root,
  outdir: 'dist/cli',
  bundle: true,
  // What is named in the bundle is named as from here, also where node_modules is a link.
  preserveSymlinks: true,
  minifyWhitespace: true,
  minifySyntax: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  // Makes the functions in a clone; the package has them made.
  external: ['../../infra/edge/functions.ts'],
  // All licenses are in one file, those of packages without such comments as well.
  legalComments: 'none',
  metafile: true,
  // For dependencies that are not written as ES modules.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
});
const metafiles = [metafile];
await writeFunctions(dist, { onMade: (each) => metafiles.push(each) });
await writeFile(join(dist, 'THIRD-PARTY.txt'), await noticesOf(root, metafiles));
