import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { GatewayAnswer, GatewayRequest, GatewaySettings } from './gateway.worker.ts';

export interface GatewayOptions {
  /** The owner's connection string; the gateway itself logs in as `authenticator` with the same password. */
  databaseUrl: string;
  schemas: string[];
  /** Read the schema again on `notify pgrst, 'reload schema'`, as PostgREST does. */
  reloads?: boolean;
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

/** Serves the Supabase Data API for one database. Unless it reloads, it reads the schema once: start it after migrating. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const settings: GatewaySettings = {
    databaseUrl: options.databaseUrl,
    schemas: options.schemas,
    reloads: options.reloads ?? false,
    publishableKey: options.publishableKey ?? key('sb_publishable'),
    secretKey: options.secretKey ?? key('sb_secret'),
    jwtSecret: options.jwtSecret ?? randomBytes(32).toString('hex'),
  };
  const { port1: channel, port2 } = new MessageChannel();
  worker ??= startWorker();
  worker.postMessage({ settings, channel: port2 } satisfies GatewayRequest, [port2]);
  const [answer] = (await once(channel, 'message')) as [GatewayAnswer];
  if ('error' in answer) throw answer.error;

  let closed: Promise<void> | undefined;
  return {
    url: `http://127.0.0.1:${answer.port}`,
    publishableKey: settings.publishableKey,
    secretKey: settings.secretKey,
    jwtSecret: settings.jwtSecret,
    close: () => (closed ??= close(channel)),
  };
}

let worker: Worker | undefined;

/** One for all gateways of a process. It ends with the process, and keeps none alive. */
function startWorker(): Worker {
  const started = new Worker(new URL('./gateway.worker.ts', import.meta.url), {
    name: 'supabase-gateway',
    stdout: true,
    stderr: true,
    // No variable of ours may change what is served, and no loader of a test runner what is run.
    env: {},
    execArgv: [],
  });
  started.on('error', (cause) => {
    throw new Error('The local Supabase gateway crashed.', { cause });
  });
  started.on('exit', (code) => {
    throw new Error(`The local Supabase gateway ended with exit code ${code}.`);
  });
  started.unref();
  return started;
}

/** What is not closed in time ends with the process. */
async function close(channel: MessagePort): Promise<void> {
  channel.postMessage('close');
  const signal = AbortSignal.timeout(CLOSE_TIMEOUT_MS);
  await once(channel, 'message', { signal }).catch((error) => {
    if (!signal.aborted) throw error;
  });
  channel.close();
}

function key(prefix: string): string {
  return `${prefix}_${randomBytes(24).toString('base64url')}`;
}
