import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { copyCheckout } from './checkout.ts';

/** What a shell that deploys may have exported, and no template may hold. */
export const shellSecrets = {
  SUPABASE_URL: 'https://canary.supabase.co',
  SUPABASE_SECRET_KEY: 'sb_secret_canary',
  NIGHTSHIFT_DATABASE_URL: 'postgres://canary@db.canary.supabase.co/postgres',
  NIGHTSHIFT_HTTP_TOKEN: 'canary-token',
  NIGHTSHIFT_STATUS_TOKEN: 'canary-reader',
  NIGHTSHIFT_WEBHOOK_URL: 'https://canary.example/hook',
  NIGHTSHIFT_WEBHOOK_SECRET: 'whsec_canary',
};

/** As vitest.config.ts has it for the workers: most of what packaging makes is of no use a moment later. */
export const roomForTheYoung = '--min-semi-space-size=64';

/**
 * What would be deployed as a stage with parameters, in the folder that is returned, which is in the given directory.
 */
export async function packageInto(directory: string, args: string[]): Promise<string> {
  await copyCheckout(directory);
  await packageIn(directory, ...args);
  return join(directory, '.serverless');
}

export function withoutCredentials(): NodeJS.ProcessEnv {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ...env } = process.env;
  return { ...env, AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' };
}

/** Has osls package what is in the directory, as `npm run package` does. */
export async function packageIn(
  directory: string,
  stage = '',
  ...parameters: string[]
): Promise<void> {
  const osls = createRequire(import.meta.url).resolve('osls/bin/serverless.js');
  const options = parameters.flatMap((parameter) => ['--param', parameter]);
  await promisify(execFile)(
    process.execPath,
    [roomForTheYoung, osls, 'package', '--stage', stage, ...options],
    {
      cwd: directory,
      env: { ...withoutCredentials(), ...shellSecrets },
    },
  ).catch(({ stdout, stderr }) => {
    throw new Error(stdout + stderr);
  });
}
