import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import getPort from 'get-port';
import { copyCheckout } from './checkout.ts';

export interface Process {
  pid: number;
  parent: number;
  /** When it began: another one may get its number later. */
  begun: string;
}

export interface Started {
  /** Of the copy of the checkout that it runs in. */
  root: string;
  urls: Record<'gateway' | 'database' | 'functions' | 'lambda' | 'bus', URL>;
  output(): string;
  /** Waits until the output has so many places that match. */
  seen(pattern: RegExp, times?: number): Promise<void>;
  /** Itself and what it started, and so on. */
  processes(): Promise<Process[]>;
  /** Sends it what Ctrl-C sends, unless it has ended, and returns its exit code. */
  interrupt(): Promise<number | null>;
}

/** Runs `npm start` until it is ready. In a copy of the checkout, because it leaves the keys where every command line looks. */
export async function start(args: string[], env: Record<string, string>): Promise<Started> {
  const root = await mkdtemp(join(tmpdir(), 'nightshift-start-'));
  await copyCheckout(root);
  // Not the usual one, which somebody else may be about to take as well.
  const port = await getPort({ host: '127.0.0.1' });
  const child = spawn(process.execPath, ['infra/local/start.ts', `--port=${port}`, ...args], {
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
    root,
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
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGINT');
        await once(child, 'exit');
      }
      return child.exitCode;
    },
  };
}

async function familyOf(pid: number): Promise<Process[]> {
  const all = await runningProcesses();
  const childrenOf = (parent: number): Process[] =>
    all.filter((each) => each.parent === parent).flatMap((each) => [each, ...childrenOf(each.pid)]);
  return [...all.filter((each) => each.pid === pid), ...childrenOf(pid)];
}

/** Those of them that still run. */
export async function survivorsOf(processes: Process[]): Promise<Process[]> {
  const running = await runningProcesses();
  return processes.filter(({ pid, begun }) =>
    running.some((each) => each.pid === pid && each.begun === begun),
  );
}

/** Those that ended and were not yet asked for their exit code are left out. */
async function runningProcesses(): Promise<Process[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,stat=,lstart=']);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/ +/))
    .filter(([, , state]) => !state?.startsWith('Z'))
    .map(([pid, parent, , ...begun]) => ({
      pid: Number(pid),
      parent: Number(parent),
      begun: begun.join(' '),
    }));
}
