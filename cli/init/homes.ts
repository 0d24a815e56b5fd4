import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { configOf, startThem } from '../../infra/edge/config.ts';
import { copyFunctions } from '../installation/edge-functions.ts';
import { nightshift, root } from '../installation/origin.ts';
import { newestRelease } from '../installation/release.ts';
import type { Written } from './migration.ts';

/** Where the jobs run. */
export const homes = ['aws', 'edge', 'cron'] as const;
export type Home = (typeof homes)[number];

export interface HomeFiles {
  files: Written[];
  /** What is left for whoever called. */
  next: string[];
}

/** Writes the files of a home into the folder of the application. What is there is the application's, and stays. */
export function writeHome(home: Home, folder: string): Promise<HomeFiles> {
  return { aws: writeAws, edge: writeEdge, cron: writeCron }[home](folder);
}

const environment = `# The settings of the functions on AWS, for a secret of AWS Secrets Manager (docs/deploy.md). Fill in a copy outside of the
# repository, and delete it when the secret is made.
SUPABASE_URL=
SUPABASE_SECRET_KEY=
# What callers over HTTP must send: openssl rand -hex 32
NIGHTSHIFT_HTTP_TOKEN=
# Only with the parameter direct: "on", for long refreshes and to detach partitions concurrently: the session pooler.
# NIGHTSHIFT_DATABASE_URL=
`;

async function writeAws(folder: string): Promise<HomeFiles> {
  return {
    files: [await writeUnlessThere(join(folder, 'nightshift.env.example'), environment)],
    next: [
      `AWS: put those settings into Secrets Manager as nightshift/<stage>. Write the deployment into a folder of its own: ${nightshift} deployment copy --to ${join(folder, 'nightshift')}. Set alarm-email and the other parameters of your stage under params in its serverless.yml, and deploy there: npm install && npx osls deploy --stage <stage> (docs/deploy.md).`,
    ],
  };
}

async function writeEdge(folder: string): Promise<HomeFiles> {
  const supabase = join(folder, 'supabase');
  const names = await copyFunctions(supabase);
  const config = await addToConfig(join(supabase, 'config.toml'), names);
  return {
    files: [
      ...names.map((name) => ({ file: join(supabase, 'functions', name), written: true })),
      ...(config ? [config] : []),
    ],
    next: [
      ...(config
        ? []
        : [
            `There is no ${join(supabase, 'config.toml')}: call supabase init, and put this into it:\n${configOf(names)}`,
          ]),
      `Edge Functions: supabase secrets set NIGHTSHIFT_HTTP_TOKEN="$(openssl rand -hex 32)", then supabase functions deploy ${names.join(' ')}. ${startThem}`,
    ],
  };
}

/** At the end, as text: whatever stands there stays as it is written. Undefined where there is no such file. */
async function addToConfig(file: string, names: readonly string[]): Promise<Written | undefined> {
  const text = await readFile(file, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code !== 'ENOENT') throw thrown;
    return undefined;
  });
  if (text === undefined) return undefined;
  const missing = names.filter(
    (name) =>
      !new RegExp(`^\\s*\\[\\s*functions\\s*\\.\\s*["']?${name}["']?\\s*\\]`, 'm').test(text),
  );
  if (missing.length === 0) return { file, written: false };
  await writeFile(
    file,
    `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}\n${configOf(missing)}`,
  );
  return { file, written: true };
}

async function writeCron(folder: string): Promise<HomeFiles> {
  const workflow = await readFile(new URL('infra/cron/github-actions.yml', root), 'utf8');
  const { version } = await newestRelease();
  const file = join(folder, '.github', 'workflows', 'nightshift.yml');
  return {
    files: [await writeUnlessThere(file, workflow)],
    next: [
      `GitHub: commit the tarball of the package (npm install --save-dev ./nightshift-${version}.tgz), and set the secrets SUPABASE_URL and SUPABASE_SECRET_KEY of the repository, as the first lines of the workflow explain.`,
    ],
  };
}

async function writeUnlessThere(file: string, text: string): Promise<Written> {
  await mkdir(dirname(file), { recursive: true });
  return writeFile(file, text, { flag: 'wx' }).then(
    () => ({ file, written: true }),
    (thrown: NodeJS.ErrnoException) => {
      if (thrown.code !== 'EEXIST') throw thrown;
      return { file, written: false };
    },
  );
}
