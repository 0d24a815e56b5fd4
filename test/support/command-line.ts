import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { format } from 'node:util';
import { runCommandLine } from '../../cli/command-line.ts';
import { printOnlyText } from '../../cli/printable.ts';
import { bareEnvironment } from './bare-environment.ts';
import { root } from './documents.ts';

export interface Ended {
  stdout: string;
  stderr: string;
  code: number | null;
}

/** Runs a script to its end, in a process of its own; what it printed, and how it ended. */
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

export const startNightshift = (args: string[], env?: Record<string, string>) =>
  run('cli/main.ts', args, env);

/**
 * What `npm run nightshift` does with these arguments, in this process, where everything is loaded: to start one costs more
 * than most commands do. One at a time, since the environment and what is printed are the process's.
 */
export async function nightshift(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  const output = { stdout: '', stderr: '' };
  const giveBack = [
    replace(process, 'env', { ...bareEnvironment, ...env }),
    ...(['stdout', 'stderr'] as const).map((name) =>
      replace(process[name], 'write', (text: string) => {
        output[name] += text;
        return true;
      }),
    ),
    ...(['log', 'error'] as const).map((method) =>
      replace(console, method, (...parts: unknown[]) => {
        output[method === 'log' ? 'stdout' : 'stderr'] += `${format(...parts)}\n`;
      }),
    ),
  ];
  // As cli/main.ts begins.
  printOnlyText();
  try {
    await runCommandLine(args);
    return { ...output, code: Number(process.exitCode ?? 0) };
  } finally {
    process.exitCode = undefined;
    for (const undo of giveBack) undo();
  }
}

function replace<Of extends object, Key extends keyof Of>(of: Of, key: Key, value: unknown) {
  const kept = of[key];
  of[key] = value as Of[Key];
  return () => {
    of[key] = kept;
  };
}
