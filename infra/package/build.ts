import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { writeFunctions } from '../edge/functions.ts';
import { deploymentFiles } from './deployment.ts';
import { noticesOf } from './notices.ts';

/**
 * Makes what npm packs besides the client and the migration: the command line as one file for Node, the Edge Functions, and what
 * deploys to AWS. The first two have their dependencies in them, so that an installation fetches nothing.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const dist = join(root, 'dist');

await Promise.all(
  ['cli', 'client', 'deployment', 'functions'].map((folder) =>
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
  // They make the functions and the deployment in a clone; the package has both made.
  external: ['../../infra/edge/functions.ts', '../../infra/package/deployment.ts'],
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
for (const [path, text] of await deploymentFiles()) {
  const file = join(dist, 'deployment', path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}
