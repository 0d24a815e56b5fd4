import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

const require = createRequire(import.meta.url);

/** Another version than the one that is installed with us, which is the strictest: npx fetches it. */
const otherVersion = process.env.SUPABASE_CLI_VERSION;

export const isInstalledVersion = otherVersion === undefined;

/** Runs the real Supabase CLI in the folder of an application, against a database, and waits for its end. */
export async function supabase(
  args: string[],
  { folder, databaseUrl }: { folder: string; databaseUrl: string },
) {
  const [command = '', ...first] = otherVersion
    ? ['npx', '--yes', `supabase@${otherVersion}`]
    : [process.execPath, require.resolve('supabase/dist/supabase.js')];
  const url = `${databaseUrl}?sslmode=disable`;
  // Since version 3 there is one option for all that is not local.
  const target =
    !otherVersion || otherVersion.startsWith('2.') ? ['--db-url', url] : [`--remote=${url}`];
  // It keeps settings, traces and an identity for telemetry in there.
  const home = await mkdtemp(join(tmpdir(), 'nightshift-supabase-'));
  const child = spawn(command, [...first, ...args, ...target, '--agent', 'no'], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      DO_NOT_TRACK: '1',
      NO_COLOR: '1',
      npm_config_cache: process.env.npm_config_cache ?? join(homedir(), '.npm'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += chunk));
  child.stderr.on('data', (chunk) => (output.stderr += chunk));
  const [code] = await once(child, 'close');
  await rm(home, { recursive: true });
  return { ...output, code };
}
