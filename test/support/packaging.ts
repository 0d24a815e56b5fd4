import { execFile } from 'node:child_process';
import { cp, mkdir, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const sources = ['serverless.yml', 'package.json', 'tsconfig.json', 'functions', 'infra/aws'];

/** What a shell that deploys may have exported, and no template may hold. */
export const shellSecrets = {
  SUPABASE_URL: 'https://canary.supabase.co',
  SUPABASE_SECRET_KEY: 'sb_secret_canary',
  NIGHTSHIFT_DATABASE_URL: 'postgres://canary@db.canary.supabase.co/postgres',
  NIGHTSHIFT_HTTP_TOKEN: 'canary-token',
};

/**
 * What would be deployed as a stage with parameters, in the folder that is returned. From a copy in the given directory:
 * packaging leaves files beside serverless.yml, where others do the same.
 */
export async function packageInto(
  directory: string,
  [stage = '', ...parameters]: string[],
): Promise<string> {
  await mkdir(directory, { recursive: true });
  await Promise.all(
    sources.map((path) => cp(join(root, path), join(directory, path), { recursive: true })),
  );
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
  const osls = createRequire(import.meta.url).resolve('osls/bin/serverless.js');
  const options = parameters.flatMap((parameter) => ['--param', parameter]);
  await promisify(execFile)(process.execPath, [osls, 'package', '--stage', stage, ...options], {
    cwd: directory,
    env: { ...process.env, ...shellSecrets },
  });
  return join(directory, '.serverless');
}
