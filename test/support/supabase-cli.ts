import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { otherVersion } from './other-version.ts';

/** Another version than the one that is installed with us, which is the strictest. */
const other = process.env.SUPABASE_CLI_VERSION;

export const isInstalledVersion = other === undefined;

/** Runs the real Supabase CLI in the folder of an application, against a database, and waits for its end. */
export async function supabase(
  args: string[],
  { folder, databaseUrl }: { folder: string; databaseUrl: string },
) {
  const require = createRequire(other ? await otherVersion('supabase', other) : import.meta.url);
  const url = `${databaseUrl}?sslmode=disable`;
  // Since version 3 there is one option for all that is not local.
  const target = !other || other.startsWith('2.') ? ['--db-url', url] : [`--remote=${url}`];
  // It keeps settings, traces and an identity for telemetry in there.
  const home = await mkdtemp(join(tmpdir(), 'nightshift-supabase-'));
  const bin = require.resolve('supabase/dist/supabase.js');
  const child = spawn(process.execPath, [bin, ...args, ...target, '--agent', 'no'], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: home, DO_NOT_TRACK: '1', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += chunk));
  child.stderr.on('data', (chunk) => (output.stderr += chunk));
  const [code] = await once(child, 'close');
  await rm(home, { recursive: true });
  return { ...output, code };
}
