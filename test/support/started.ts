import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Of the checkout. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Started {
  urls: Record<'gateway' | 'database' | 'functions' | 'lambda' | 'bus', URL>;
  output(): string;
  /** Waits until the output has so many places that match. */
  seen(pattern: RegExp, times?: number): Promise<void>;
  /** Itself and what it started, and so on, by their ids. */
  processes(): Promise<number[]>;
  /** Sends it what Ctrl-C sends, unless it has ended, and returns its exit code. */
  interrupt(): Promise<number | null>;
}

/** Runs `npm start` until it is ready. One at a time: it leaves the keys where the command line looks for them. */
export async function start(args: string[], env: Record<string, string>): Promise<Started> {
  const child = spawn(process.execPath, ['infra/local/start.ts', ...args], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const seen = (pattern: RegExp, times = 1) =>
    new Promise<void>((resolve, reject) => {
      const end = () => {
        for (const stream of [child.stdout, child.stderr]) stream.off('data', look);
        child.off('exit', fail);
      };
      const look = () => {
        if ([...output.matchAll(new RegExp(pattern, 'g'))].length < times) return;
        end();
        resolve();
      };
      const fail = () => {
        end();
        reject(new Error(output));
      };
      for (const stream of [child.stdout, child.stderr]) stream.on('data', look);
      child.once('exit', fail);
      look();
    });

  await seen(/Ctrl-C stops/);
  const urlOf = (label: string) =>
    new URL(new RegExp(`${label} +(\\w+://[^\\s,]+)`).exec(output)?.[1] ?? '');
  return {
    urls: {
      gateway: urlOf('Data API'),
      database: urlOf('Postgres'),
      functions: urlOf('Functions'),
      lambda: urlOf('Lambda'),
      bus: urlOf('Event bus'),
    },
    output: () => output,
    seen,
    processes: () => familyOf(child.pid ?? 0),
    interrupt: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      child.kill('SIGINT');
      const [code] = await once(child, 'exit');
      return code;
    },
  };
}

async function familyOf(pid: number): Promise<number[]> {
  const all = await runningProcesses();
  const childrenOf = (parent: number): number[] =>
    all
      .filter((each) => each.parent === parent)
      .flatMap((each) => [each.pid, ...childrenOf(each.pid)]);
  return [pid, ...childrenOf(pid)];
}

/** Those that ended and were not yet asked for their exit code are left out. */
export async function runningProcesses(): Promise<{ pid: number; parent: number }[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,stat=']);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/ +/))
    .filter(([, , state]) => !state?.startsWith('Z'))
    .map(([pid, parent]) => ({ pid: Number(pid), parent: Number(parent) }));
}
