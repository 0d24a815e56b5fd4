import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { GatewaySettings } from './gateway.worker.ts';

export interface GatewayOptions {
  /** The owner's connection string; the gateway itself logs in as `authenticator` with the same password. */
  databaseUrl: string;
  schemas: string[];
  publishableKey?: string;
  secretKey?: string;
  /** Of the tokens in `Authorization`, whose role a request takes, and of legacy keys. */
  jwtSecret?: string;
}

export interface Gateway {
  url: string;
  publishableKey: string;
  secretKey: string;
  jwtSecret: string;
  close(): Promise<void>;
}

const CLOSE_TIMEOUT_MS = 5_000;

/**
 * Serves the Supabase Data API for one database. It reads the schema once: start it after migrating.
 * It runs in a worker whose output is dropped, because the library prints every database error, and with
 * it the contents of rows.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const settings: GatewaySettings = {
    databaseUrl: options.databaseUrl,
    schemas: options.schemas,
    publishableKey: options.publishableKey ?? key('sb_publishable'),
    secretKey: options.secretKey ?? key('sb_secret'),
    jwtSecret: options.jwtSecret ?? randomBytes(32).toString('hex'),
  };
  const worker = new Worker(new URL('./gateway.worker.ts', import.meta.url), {
    name: 'supabase-gateway',
    workerData: settings,
    stdout: true,
    stderr: true,
    // No variable of ours may change what is served, and no loader of a test runner what is run.
    env: {},
    execArgv: [],
  });
  worker.stdout.resume();
  worker.stderr.resume();
  const port = await started(worker);

  let closed: Promise<void> | undefined;
  worker.on('error', (cause) => {
    closed = Promise.resolve();
    throw new Error('The local Supabase gateway crashed.', { cause });
  });
  worker.on('exit', (code) => {
    if (closed) return;
    closed = Promise.resolve();
    throw new Error(`The local Supabase gateway ended with exit code ${code}.`);
  });
  return {
    url: `http://127.0.0.1:${port}`,
    publishableKey: settings.publishableKey,
    secretKey: settings.secretKey,
    jwtSecret: settings.jwtSecret,
    close: () => (closed ??= close(worker)),
  };
}

async function close(worker: Worker) {
  const exited = once(worker, 'exit');
  worker.postMessage('close');
  const stuck = setTimeout(() => worker.terminate(), CLOSE_TIMEOUT_MS);
  await exited;
  clearTimeout(stuck);
}

function started(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('The local Supabase gateway did not start.')));
  });
}

function key(prefix: string): string {
  return `${prefix}_${randomBytes(24).toString('base64url')}`;
}
