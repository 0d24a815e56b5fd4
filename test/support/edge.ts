import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { type JobName, jobNames } from '../../functions/registry.ts';
import { writeFunctions } from '../../infra/edge/functions.ts';
import type { Gateway } from '../../infra/local/gateway.ts';
import { bareEnvironment } from './bare-environment.ts';
import { createDatabase, startAfresh, type TestDatabase } from './database.ts';
import { token } from './handler.ts';
import { auditDeletes } from './purge.ts';

const deno: string = createRequire(import.meta.url)('deno/install_api.cjs').runInstall();
/** Linux counts the CPU time of processes in hundredths of a second. */
const ticksPerSecond = 100;

/** What a function of the project finds in its environment. */
type Environment = Record<string, string | undefined>;

interface Call {
  method?: string;
  path?: string;
  token?: string;
  headers?: Record<string, string>;
  /** Anything but a string is sent as JSON. */
  body?: unknown;
}

/** The Edge Functions as they are deployed, each in a Deno of its own, before a database of their own. */
export function setUpEdge() {
  let db: TestDatabase;
  let gateway: Gateway;
  let folder: string;
  const isolates = new Set<Isolate>();
  const lasting = new Map<string, ReturnType<typeof boot>>();

  beforeAll(async () => {
    [db, folder] = await Promise.all([
      createDatabase(),
      mkdtemp(join(tmpdir(), 'nightshift-edge-')),
    ]);
    await writeFunctions(folder);
    gateway = await db.gateway();
  });
  afterAll(async () => {
    for (const isolate of lasting.values()) await (await isolate).kill();
    await Promise.all([db.drop(), rm(folder, { recursive: true })]);
  });
  beforeEach(() => startAfresh(db.sql));
  afterEach(async () => {
    await Promise.all([...isolates].map((isolate) => isolate.kill()));
    isolates.clear();
  });

  /** As `boot`, but the same one for all tests that ask for it so, as an isolate serves many calls. */
  async function booted(...how: Parameters<typeof boot>) {
    const key = JSON.stringify(how);
    const booting = lasting.get(key) ?? boot(...how);
    lasting.set(key, booting);
    isolates.delete(await booting);
    return booting;
  }

  /** `platform` is what runs before the function: what Edge Runtime has and plain Deno has not. */
  async function boot(
    job: JobName = 'retention-purge',
    overrides: Environment = {},
    platform?: string,
  ) {
    let file = join(folder, 'functions', `nightshift-${job}`, 'index.ts');
    if (platform) {
      const at = await mkdtemp(join(folder, 'isolate-'));
      await copyFile(file, join(at, 'index.ts'));
      file = join(at, 'main.ts');
      await writeFile(file, `${platform}\nawait import('./index.ts');`);
    }
    const isolate = await startIsolate(file, {
      SUPABASE_URL: gateway.url,
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: gateway.secretKey }),
      NIGHTSHIFT_HTTP_TOKEN: token,
      ...overrides,
    });
    const running = {
      ...isolate,
      call: ({ path = `/jobs/${job}/runs`, ...options }: Call = {}) =>
        callOf(`${isolate.url}/nightshift-${job}${path}`, options),
    };
    isolates.add(running);
    return running;
  }

  /** A table with a policy of 30 days and ten rows that are due. Each that goes takes `msEach`. */
  async function fill(relation: string, msEach = 0) {
    await db.sql.unsafe(`
      create table ${relation} (id integer primary key, deleted_at timestamptz);
      create index on ${relation} (deleted_at);
      insert into ${relation}
      select n, now() - case when n <= 10 then interval '40 days' else interval '3 days' end
      from generate_series(1, 30) n;
      analyze ${relation};
      select nightshift.add_retention_policy('${relation}', '30 days');
      create or replace function app.wait() returns trigger language plpgsql as $$
      begin perform pg_sleep(tg_argv[0]::integer / 1000.0); return old; end $$;
      create trigger wait before delete on ${relation} for each row execute function app.wait(${msEach});
    `);
    await auditDeletes(db.sql, relation);
  }

  return {
    get sql() {
      return db.sql;
    },
    get gateway() {
      return gateway;
    },
    get folder() {
      return folder;
    },
    jobNames,
    boot,
    booted,
    fill,
  };
}

async function callOf(
  url: string,
  { method = 'POST', token: given = token, headers = {}, body }: Call,
) {
  const response = await fetch(url, {
    method,
    headers: { ...(given ? { authorization: `Bearer ${given}` } : {}), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    contentType: response.headers.get('content-type'),
    headers: response.headers,
    body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
  };
}

interface Isolate {
  url: string;
  /** What it has written to its log. */
  log: () => Record<string, unknown>[];
  cpuSeconds: () => Promise<number>;
  /** With nothing left to say, as when a limit is reached. */
  kill: () => Promise<void>;
}

async function startIsolate(file: string, environment: Environment): Promise<Isolate> {
  const child = spawn(
    deno,
    ['run', '--no-prompt', '--no-config', '--allow-net=127.0.0.1', '--allow-env', file],
    {
      env: {
        ...bareEnvironment,
        HOME: tmpdir(),
        DENO_NO_UPDATE_CHECK: '1',
        DENO_SERVE_ADDRESS: 'tcp:127.0.0.1:0',
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const lines: string[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    const read = (line: string) => {
      lines.push(line);
      const [, found] = /^Listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(line) ?? [];
      if (found) resolve(found);
    };
    createInterface(child.stdout).on('line', read);
    createInterface(child.stderr).on('line', read);
    child.once('exit', (code) => reject(new Error(`Deno ended with ${code}: ${lines.join('\n')}`)));
  });
  return {
    url,
    log: () => lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line)),
    cpuSeconds: () => cpuSecondsOf(child),
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

async function cpuSecondsOf({ pid }: ChildProcess): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
