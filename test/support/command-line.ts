import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { bareEnvironment } from './bare-environment.ts';
import { root } from './documents.ts';

export interface Ended {
  stdout: string;
  stderr: string;
  code: number | null;
}

/** Runs a script to its end; what it printed, and how it ended. */
export async function run(
  script: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [script, ...args], {
    cwd: root,
    env: { ...bareEnvironment, ...env },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += chunk));
  child.stderr.on('data', (chunk) => (output.stderr += chunk));
  const [code] = await once(child, 'close');
  return { ...output, code };
}

export const nightshift = (args: string[], env: Record<string, string> = {}) =>
  run('cli/main.ts', args, env);
