import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import * as z from 'zod';
import { version } from '../../functions/_shared/version.ts';
import { jobNames } from '../../functions/registry.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const read = (path: string) => readFile(join(root, path), 'utf8');
const manifest = z.object({ version: z.string() });

interface Imports {
  sources: string[];
  packages: string[];
}

/** Read once in a process, which takes no change of its own sources any more either. */
let imports: Promise<Imports> | undefined;

/**
 * What a deployment to AWS needs, by path: serverless.yml, the sources of the functions and of the plugins, and a package.json
 * of its own. Sources and no bundles, since they are what osls deploys from a clone, and people can read them.
 */
export async function deploymentFiles(): Promise<Map<string, string>> {
  imports ??= readImports();
  const { sources, packages } = await imports;
  const resources = (await readdir(join(root, 'infra/aws'))).filter((file) =>
    file.endsWith('.yml'),
  );
  const paths = [
    ...sources,
    ...jobNames.map((job) => `functions/${job}/function.yml`),
    ...resources.map((file) => `infra/aws/${file}`),
  ].sort();
  const texts = await Promise.all(paths.map(read));
  return new Map([
    ['package.json', await manifestFor(packages)],
    ['serverless.yml', await service()],
    ...paths.map((path, n): [string, string] => [path, texts[n] ?? '']),
  ]);
}

/** All that the functions and the plugins import while they run or are packaged; what has nothing but types is not among it. */
async function readImports(): Promise<Imports> {
  const plugins = (await read('serverless.yml')).matchAll(/^ {2}- \.\/(infra\/aws\/.+\.ts)$/gm);
  const { metafile } = await build({
    entryPoints: [
      ...jobNames.map((job) => `functions/${job}/handler.ts`),
      ...[...plugins].map(([, path = '']) => path),
    ],
    absWorkingDir: root,
    outdir: 'unused',
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    metafile: true,
    write: false,
  });
  const found = Object.values(metafile.inputs).flatMap((input) => input.imports);
  const paths = found.filter(({ external }) => external).map(({ path }) => path);
  const names = paths.filter((path) => !path.startsWith('node:')).map(packageOf);
  return { sources: Object.keys(metafile.inputs), packages: [...new Set(names)] };
}

/** hono of hono/html, and @aws-sdk/client-eventbridge with its scope. */
function packageOf(path: string): string {
  return path
    .split('/')
    .slice(0, path.startsWith('@') ? 2 : 1)
    .join('/');
}

/** The one of a clone without what serves the local stack alone. */
async function service(): Promise<string> {
  const text = await read('serverless.yml');
  const local = '  - serverless-offline\n';
  if (!text.includes(local)) throw new Error('serverless.yml no longer names serverless-offline.');
  return text.replace(local, '');
}

/** With the versions that are installed here, which are the tested ones. */
async function manifestFor(packages: readonly string[]): Promise<string> {
  const names = [...packages, 'esbuild', 'osls', 'serverless-esbuild'].sort();
  const found = await Promise.all(
    names.map(async (name) =>
      manifest.parse(JSON.parse(await read(`node_modules/${name}/package.json`))),
    ),
  );
  const dependencies = Object.fromEntries(names.map((name, n) => [name, found[n]?.version ?? '']));
  const written = {
    name: 'nightshift-deployment',
    version,
    private: true,
    type: 'module',
    // The plugins are TypeScript, which an older Node does not run.
    engines: { node: '>=22.18' },
    scripts: { package: 'osls package', deploy: 'osls deploy' },
    dependencies,
    overrides: { serverless: `npm:osls@${dependencies.osls}` },
  };
  return `${JSON.stringify(written, null, 2)}\n`;
}
