import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import getPort from 'get-port';
import { sign } from 'hono/jwt';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Diagnosis } from '../../cli/doctor/diagnosis.ts';
import { doctor } from '../../cli/doctor/index.ts';
import { newestRelease } from '../../cli/installation/release.ts';
import type { Access } from '../../functions/_shared/access.ts';
import { deadlineIn, isoTime, systemClock } from '../../functions/_shared/clock.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { version } from '../../functions/_shared/version.ts';
import type { Gateway } from '../../infra/local/gateway.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { busName, startTestBus, type TestBus } from '../support/event-bus.ts';

const token = 'a-token-that-is-long-enough-0123';

let db: TestDatabase;
let gateway: Gateway;
let bus: TestBus;
beforeAll(async () => {
  [db, bus] = await Promise.all([createDatabase(), startTestBus()]);
  gateway = await db.gateway();
  vi.stubEnv('AWS_ENDPOINT_URL_EVENTBRIDGE', bus.url);
  vi.stubEnv('AWS_REGION', 'eu-central-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAIOSFODNN7EXAMPLE');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY');
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await Promise.all([db.drop(), bus.close()]);
});

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.close();
    await once(server, 'close');
  }
});

/** The deployed functions, as far as GET /health goes. */
async function deployed(taken: string, status = 'ok', trusted: object = {}): Promise<string> {
  const server = createServer(({ headers, url }, response) => {
    const { authorization } = headers;
    const known = !authorization || authorization === `Bearer ${taken}`;
    response.writeHead(url === '/health' && known ? 200 : 401, { connection: 'close' });
    response.end(JSON.stringify({ status, ...(authorization ? trusted : {}) }));
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

interface Options {
  secretKey?: string;
  access?: Access;
  url?: string;
  databaseUrl?: string | undefined;
  functionsUrl?: string;
  clockAheadMs?: number;
  environment?: Record<string, string>;
}

async function examine(options: Options = {}): Promise<Record<string, Diagnosis>> {
  const { url = gateway.url, secretKey = gateway.secretKey, clockAheadMs = 0 } = options;
  const findings = await doctor({
    rpc: createRpc({ url, ...(options.access ?? { secretKey }) }, deadlineIn(systemClock, 5_000)),
    databaseUrl: options.databaseUrl,
    functionsUrl: options.functionsUrl,
    clock: { nowMs: () => systemClock.nowMs() + clockAheadMs },
    environment: options.environment ?? {},
  });
  return Object.fromEntries(findings.map((finding) => [finding.subject, finding]));
}

const levelsOf = (found: Record<string, Diagnosis>) =>
  Object.fromEntries(Object.values(found).map(({ subject, level }) => [subject, level]));

describe('the doctor', () => {
  it('finds nothing wrong where nothing is', async () => {
    await db.sql.unsafe(`
      create table public.t (id integer primary key, deleted_at timestamptz);
      create index on public.t (deleted_at);
      select nightshift.add_retention_policy('public.t', '30 days')`);
    const found = await examine({
      databaseUrl: db.url,
      functionsUrl: await deployed(token),
      environment: { NIGHTSHIFT_HTTP_TOKEN: token, NIGHTSHIFT_EVENT_BUS: busName },
    });
    expect(new Set(Object.values(levelsOf(found)))).toEqual(new Set(['ok']));
    expect(found['direct connection']?.says).toMatch(/same database, in session mode/);
  });

  it('leaves out what is not configured, and says what is missed by that', async () => {
    const found = await examine();
    expect(levelsOf(found)).toMatchObject({
      'direct connection': 'skipped',
      'event bus': 'skipped',
      token: 'skipped',
      functions: 'skipped',
    });
  });

  it.each<[string, () => Options, RegExp]>([
    ['a wrong key', () => ({ secretKey: 'sb_secret_wrong' }), /secret key/],
    ['a wrong address', () => ({ url: 'http://127.0.0.1:9' }), /SUPABASE_URL/],
  ])('tells %s', async (_, options, fix) => {
    const found = await examine(options());
    expect(found['Data API']).toMatchObject({ level: 'failed', fix: expect.stringMatching(fix) });
  });

  it('calls no key right that the project refuses, or that nobody could ask about', async () => {
    const refused = await examine({ secretKey: 'sb_secret_wrong', databaseUrl: db.url });
    expect(refused.key).toMatchObject({
      level: 'failed',
      says: 'The project refuses the secret key',
      fix: expect.stringContaining('SUPABASE_SECRET_KEY'),
    });
    expect(refused['direct connection']).toMatchObject({
      says: expect.stringContaining('nobody can say without the Data API'),
    });
    const runnerToken = await sign({ role: 'nightshift_runner', exp: 4_102_444_800 }, 'another');
    const expired = await examine({
      access: { publishableKey: gateway.publishableKey, runnerToken },
      environment: { NIGHTSHIFT_RUNNER_TOKEN: runnerToken },
    });
    expect(expired.key).toMatchObject({
      level: 'failed',
      says: 'The project refuses the runner token',
    });
    expect((await examine({ url: 'http://127.0.0.1:9' })).key).toMatchObject({
      level: 'skipped',
      says: 'Nobody can say whether the secret key is right: no project answers',
    });
  });

  it('says why nothing answers', async () => {
    const port = await getPort({ host: '127.0.0.1' });
    const found = await examine({ url: `http://127.0.0.1:${port}` });
    expect(found['Data API']?.says).toMatch(
      /^Supabase could not be reached at 127\.0\.0\.1:\d+ \(ECONNREFUSED: nothing listens there\)$/,
    );
  });

  it('compares the release of the database with the one here', async () => {
    const { sql } = db;
    const [installed] = await sql`select * from nightshift.migrations`;
    const { version } = await newestRelease();
    expect((await examine()).versions).toMatchObject({ level: 'ok' });
    const record = async (version: string, checksum: string) => {
      await sql`delete from nightshift.migrations`;
      await sql`insert into nightshift.migrations ${sql({ ...installed, version, checksum })}`;
      return (await examine()).versions;
    };
    try {
      expect(await record('0.0.9', '')).toMatchObject({
        level: 'failed',
        says: `The database has 0.0.9, and this checkout ${version}`,
      });
      const nextPatch = version.replace(/\d+$/, (patch) => `${Number(patch) + 1}`);
      expect(await record(nextPatch, '')).toMatchObject({ level: 'warning' });
      expect(await record('99.0.0', '')).toMatchObject({
        level: 'failed',
        says: `The database has 99.0.0, which is newer than this checkout of ${version}`,
      });
      expect(await record(version, 'another')).toMatchObject({
        level: 'warning',
        says: `${version} is installed from another file than the one here`,
      });
      await sql`delete from nightshift.migrations`;
      expect((await examine()).versions).toMatchObject({
        level: 'failed',
        says: expect.stringContaining('None was applied to its end'),
        fix: expect.stringContaining('migrate'),
      });
    } finally {
      await sql`delete from nightshift.migrations`;
      await sql`insert into nightshift.migrations ${sql({ ...installed })}`;
    }
  });

  it('tells a role whose statements end too soon', async () => {
    const database = new URL(db.url).pathname.slice(1);
    await db.sql`alter role service_role in database ${db.sql(database)} set statement_timeout = '2s'`;
    try {
      expect((await examine())['role timeouts']).toMatchObject({
        level: 'warning',
        says: 'service_role has a statement timeout of 2s',
        fix: expect.stringContaining('alter role service_role'),
      });
    } finally {
      await db.sql`alter role service_role in database ${db.sql(database)} reset statement_timeout`;
    }
  });

  it('tells clocks that differ, in either direction', async () => {
    for (const clockAheadMs of [-60_000, 60_000]) {
      const { clocks } = await examine({ clockAheadMs });
      expect(clocks).toMatchObject({
        level: 'warning',
        says: expect.stringMatching(/ (59|60) s$/),
      });
    }
  });

  it('tells a pause', async () => {
    await db.sql`select nightshift.pause('upgrade')`;
    expect((await examine()).pause).toMatchObject({
      level: 'warning',
      fix: expect.stringContaining('unpause'),
    });
    await db.sql`select nightshift.unpause()`;
  });

  it('tells a direct connection that does not do', async () => {
    const other = await createDatabase();
    const changed = (change: (url: URL) => void) => {
      const url = new URL(db.url);
      change(url);
      return url.href;
    };
    await db.sql`create role someone login password 'open'`;
    const cases: [string, RegExp][] = [
      [other.url, /another database/],
      [
        'postgres://postgres:p#ss@db.example.com:5432/postgres',
        /is not one: The password has a # in it/,
      ],
      [
        changed((url) => {
          url.port = '6543';
        }),
        /transaction mode/,
      ],
      [
        changed((url) => {
          url.password = 'wrong';
        }),
        /refused the password \(28P01\)/,
      ],
      [
        changed((url) => {
          url.port = '9';
        }),
        /could not be reached \(ECONNREFUSED\)/,
      ],
      [
        changed((url) => {
          url.pathname = '/postgres';
        }),
        /no schema nightshift where it leads to/,
      ],
      [
        changed((url) => {
          url.username = 'someone';
          url.password = 'open';
        }),
        /cannot be used \(42501\)/,
      ],
    ];
    for (const [databaseUrl, says] of cases) {
      expect((await examine({ databaseUrl }))['direct connection']).toMatchObject({
        level: 'failed',
        says: expect.stringMatching(says),
      });
    }
    await db.sql`drop role someone`;
    await other.drop();
  });

  it('tells a bus that is not there, and a token that is too short', async () => {
    const environment = { NIGHTSHIFT_EVENT_BUS: 'nothing', NIGHTSHIFT_HTTP_TOKEN: 'short' };
    const found = await examine({ environment });
    expect(found['event bus']).toMatchObject({
      level: 'failed',
      says: expect.stringContaining('ResourceNotFoundException'),
    });
    expect(found.token).toMatchObject({
      level: 'warning',
      says: expect.stringContaining('5 characters'),
    });
  });

  it('tells functions that are ill, that have another token, and that are not there', async () => {
    const environment = { NIGHTSHIFT_HTTP_TOKEN: token };
    const ill = await examine({ functionsUrl: await deployed(token, 'critical'), environment });
    expect(ill.functions).toMatchObject({ level: 'failed' });
    const locked = await examine({ functionsUrl: await deployed('another'), environment });
    expect(levelsOf(locked)).toMatchObject({ functions: 'ok', 'token of the functions': 'failed' });
    const gone = await examine({ functionsUrl: 'http://127.0.0.1:9' });
    expect(gone.functions).toMatchObject({ level: 'failed' });
  });

  it.each([
    [13, 'warning'],
    [60, 'ok'],
  ])('says that the token of the functions expires in %d days: %s', async (days, level) => {
    const tokenExpiresAt = isoTime(systemClock.nowMs() + days * 86_400_000);
    const found = await examine({
      functionsUrl: await deployed(token, 'ok', { tokenExpiresAt }),
      environment: { NIGHTSHIFT_HTTP_TOKEN: token },
    });
    expect(found['key of the functions']).toMatchObject({
      level,
      says: expect.stringContaining(`good until ${tokenExpiresAt.slice(0, 10)}`),
    });
  });

  it.each([
    [version, 'ok', undefined],
    ['0.0.9', 'warning', /^Deploy them/],
    ['99.0.0', 'warning', /git pull/],
  ])('compares the functions of %s with what is here: %s', async (theirs, level, fix) => {
    const found = await examine({
      functionsUrl: await deployed(token, 'ok', { version: theirs }),
      environment: { NIGHTSHIFT_HTTP_TOKEN: token },
    });
    expect(found['version of the functions']).toMatchObject({
      level,
      says: expect.stringContaining(`They are ${theirs}`),
      ...(fix ? { fix: expect.stringMatching(fix) } : {}),
    });
  });

  it('never says a secret', async () => {
    const found = await examine({
      databaseUrl: db.url,
      environment: { NIGHTSHIFT_HTTP_TOKEN: token },
    });
    const text = JSON.stringify(found);
    for (const secret of [token, gateway.secretKey, new URL(db.url).password]) {
      expect(text).not.toContain(secret);
    }
  });
});
