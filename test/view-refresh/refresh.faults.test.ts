import { once } from 'node:events';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { connectDirect, type Direct } from '../../functions/_shared/direct.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { createRpc, type Rpc } from '../../functions/_shared/rpc.ts';
import { Stop, stoppedByHand } from '../../functions/_shared/stop.ts';
import { expireLease, setUpDatabase } from '../support/database.ts';
import { withDirect } from '../support/direct.ts';
import { startTraffic } from '../support/traffic.ts';
import {
  closeGate,
  createOwnDatabase,
  createTwoViews,
  isCurrent,
  letPass,
  other,
  outcomes,
  recordUsual,
  refreshAtGate,
  refreshesOf,
  runRefresh,
  seen,
  spawnRun,
  stepOf,
  viewOf,
  write,
} from '../support/views.ts';
import { apiIsIdle, until } from '../support/waiting.ts';

const printed = vi.hoisted(() => ({ text: '' }));
vi.mock('node:child_process', async (original) => {
  const real = await original<typeof import('node:child_process')>();
  const spy = (...args: Parameters<typeof real.spawn>) => {
    const child = real.spawn(...args);
    child.stderr?.on('data', (chunk) => {
      printed.text += chunk;
    });
    return child;
  };
  return { ...real, spawn: spy };
});

const enoughTime = () => ({ deadline: deadlineIn(systemClock, 300_000) });

const db = setUpDatabase();

const seenFailed = { [seen]: 'failed: changed', [other]: 'refreshed: changed' };

describe('a refresh that another session blocks', () => {
  const blockers = {
    'a reader of the view, where it blocks': `select from ${seen}`,
    'a migration of a table it reads': 'lock table app.items in access exclusive mode',
    'a refresh by hand': `refresh materialized view concurrently ${seen}`,
  };
  beforeEach(() => createTwoViews(db, ', allow_blocking => true'));

  const block = async (statement: string) => {
    if (statement === blockers['a reader of the view, where it blocks']) {
      await db.sql`drop index app.seen_id_idx`;
    }
    const user = db.connect();
    await user`begin`;
    await user.unsafe(statement);
    return user;
  };
  const isWaiting = async () => {
    const rows = await db.sql`
      select from pg_stat_activity
      where datname = current_database() and usename = 'authenticator' and wait_event_type = 'Lock'`;
    return rows.length > 0;
  };

  describe.each(Object.entries(blockers))('%s', (_, statement) => {
    it('fails it for now; others and readers go on', async () => {
      const user = await block(statement);
      const readers = startTraffic(db, [`select from ${seen}`]);
      const run = runRefresh(db);
      await until('the refresh waits', isWaiting);
      // Those who queue behind it get through while the other session still blocks it.
      await readers.getThrough();
      const result = await run;
      await readers.stop();
      await user`rollback`;
      expect(result.run.status).toBe('partial');
      expect(outcomes(result)).toEqual(seenFailed);
      expect(stepOf(result, seen).error).toMatchObject({ code: '55P03' });
      expect((await refreshesOf(db.sql, seen)).at(-1)).toMatchObject({ error: { code: '55P03' } });
      expect((await runRefresh(db, { only: [seen] })).run.status).toBe('succeeded');
      expect(await isCurrent(db.sql, seen)).toBe(true);
    });

    it('does not keep it from succeeding when that ends in time', async () => {
      const user = await block(statement);
      const run = runRefresh(db);
      await until('the refresh waits', isWaiting);
      await until('it has given up', async () => !(await isWaiting()));
      await user`rollback`;
      const result = await run;
      expect(result.run.status).toBe('succeeded');
      expect(await isCurrent(db.sql, seen)).toBe(true);
    });
  });

  it('over the direct connection is asked for again too', async () => {
    await recordUsual(db.sql, 30_000);
    const direct = connectDirect(db.url, deadlineIn(systemClock, 60_000));
    const user = await block(blockers['a migration of a table it reads']);
    const run = runRefresh(db, {}, { direct, ...enoughTime() });
    const waits = async () =>
      (await db.sql`select from pg_locks where not granted and database is not null`).length > 0;
    await until('the refresh waits', waits);
    await until('it has given up', async () => !(await waits()));
    await user`rollback`;
    const result = await run;
    expect(stepOf(result, seen)).toMatchObject({ transport: 'direct', status: 'refreshed' });
  });
});

describe('the direct connection', () => {
  beforeEach(() => createTwoViews(db));

  it('takes a view that usually takes longer than half of what the API allows', async () => {
    await recordUsual(db.sql, 25_001);
    const result = await withDirect(db.url, (direct) =>
      runRefresh(db, {}, { direct, ...enoughTime() }),
    );
    expect(stepOf(result, seen)).toMatchObject({ status: 'refreshed', transport: 'direct' });
    expect(stepOf(result, other)).toMatchObject({ status: 'refreshed', transport: 'api' });
    expect(await isCurrent(db.sql, seen)).toBe(true);
  });

  it('fails its views alone when it cannot be made, and says how to mend it', async () => {
    await recordUsual(db.sql, 60_000);
    const url = new URL(db.url);
    url.password = 'wrong-password';
    const result = await withDirect(url.href, (direct) =>
      runRefresh(db, {}, { direct, ...enoughTime() }),
    );
    expect(outcomes(result)).toEqual(seenFailed);
    const { error } = stepOf(result, seen);
    expect(error).toMatchObject({
      code: 'NS502',
      hint: expect.stringContaining('NIGHTSHIFT_DATABASE_URL'),
    });
    expect(JSON.stringify(result.run)).not.toContain('wrong-password');
  });

  it('is done without for what the API has the time for as well', async () => {
    await recordUsual(db.sql, 30_000);
    const url = new URL(db.url);
    url.password = 'wrong-password';
    const result = await withDirect(url.href, (direct) =>
      runRefresh(db, {}, { direct, ...enoughTime() }),
    );
    expect(stepOf(result, seen)).toMatchObject({ status: 'refreshed', transport: 'api' });
  });

  it.each([
    ['no time is left', undefined, /no time for it; it takes 30 s/],
    ['the run was told to stop', new Stop(), /stopped with Ctrl-C/],
  ])('is not made up for over the API when it breaks and %s', async (_, stop, why) => {
    await recordUsual(db.sql, 30_000);
    let remainingMs = 120_000;
    const direct: Direct = {
      async call() {
        if (stop) stop.raise(stoppedByHand('Ctrl-C'));
        else remainingMs = 40_000;
        throw new NightshiftError('NS502', 'The direct connection to Postgres failed');
      },
      async execute() {},
    };
    const asked: string[] = [];
    const result = await runRefresh(
      db,
      { only: [seen] },
      {
        direct,
        deadline: { remainingMs: () => remainingMs },
        beforeRefresh: (_, view) => asked.push(view),
        ...(stop ? { stop } : {}),
      },
    );
    expect(asked).toEqual([]);
    expect(stepOf(result, seen)).toMatchObject({
      status: 'waiting',
      detail: expect.stringMatching(why),
    });
    expect(result.run.status).toBe(stop ? 'interrupted' : 'continued');
  });
});

describe('a time limit of the API that a view does not keep', () => {
  const limited = setUpDatabase();
  let open: () => Promise<void>;
  beforeAll(async () => {
    await limited.sql`alter function nightshift.refresh_view set statement_timeout = '300ms'`;
  });
  beforeEach(async () => {
    await createTwoViews(limited);
    open = await closeGate(limited);
  });
  afterEach(() => open());

  it('is got round by the direct connection', async () => {
    const result = await withDirect(limited.url, async (direct) => {
      const run = runRefresh(limited, {}, { direct, ...enoughTime() });
      await until('it goes over the direct connection', () =>
        refreshAtGate(limited.sql, 'nightshift'),
      );
      await open();
      return run;
    });
    expect(stepOf(result, seen)).toMatchObject({ status: 'refreshed', transport: 'direct' });
    expect(await isCurrent(limited.sql, seen)).toBe(true);
  });

  it('fails it once, on record, and names the direct connection', async () => {
    const result = await runRefresh(limited);
    expect(outcomes(result)).toEqual(seenFailed);
    expect(stepOf(result, seen).error).toMatchObject({
      code: '57014',
      hint: expect.stringContaining('NIGHTSHIFT_DATABASE_URL'),
    });
    expect((await refreshesOf(limited.sql, seen)).slice(1)).toMatchObject([
      { status: 'failed', error: { code: '57014' } },
    ]);
  });
});

describe('in mid-refresh', () => {
  let open: () => Promise<void>;
  const startRun = async (databaseUrl?: string) => {
    const child = await spawnRun(db, databaseUrl);
    await until('the refresh is under way', () => refreshAtGate(db.sql));
    return child;
  };
  const cutApi = () => db.sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and usename = 'authenticator' and state = 'active'`;
  const statusOf = async () => {
    const [run] = await db.sql`
      select status from nightshift.runs where trigger = 'cli' and requested_by is not null
      order by started_at desc limit 1`;
    return run?.status;
  };
  beforeEach(async () => {
    await createTwoViews(db);
    open = await closeGate(db);
  });
  afterEach(() => open());

  it.each(['ends', 'is cut as well'])('the client is killed, and the refresh %s', async (how) => {
    const child = await startRun();
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(await db.sql`select id from app.seen`).toEqual([{ id: 1 }]);
    if (how !== 'ends') await cutApi();
    await open();
    await until('the server is done with what is left', () => apiIsIdle(db.sql));

    const recorded = (await refreshesOf(db.sql, seen)).length > 1;
    expect(recorded).toBe(await isCurrent(db.sql, seen));
    expect((await runRefresh(db)).outcome).toBe('skipped');
    await expireLease(db.sql);
    await letPass(db.sql);
    const next = await runRefresh(db);
    expect(next.run.status).toBe('succeeded');
    expect(stepOf(next, seen).status).toBe('refreshed');
    expect(await isCurrent(db.sql, seen)).toBe(true);
    expect(await statusOf()).toBe('lost');
  });

  it('the connection of the API is cut: it is asked for again, and refreshed once', async () => {
    const run = runRefresh(db);
    await until('the refresh is under way', () => refreshAtGate(db.sql));
    await cutApi();
    await open();
    const result = await run;
    expect(result.run.status).toBe('succeeded');
    expect(await refreshesOf(db.sql, seen)).toHaveLength(2);
    expect(await isCurrent(db.sql, seen)).toBe(true);
  });

  it('the direct connection is cut: the others go on, and the run says what became of it', async () => {
    await recordUsual(db.sql, 60_000);
    const child = await startRun(db.url);
    const isAlone = async () =>
      (await refreshesOf(db.sql, other)).length > 1 && (await refreshAtGate(db.sql));
    await until('the other view is done, and this one is not', isAlone);
    await db.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'nightshift'`;
    await open();
    await once(child, 'close');
    expect(printed.text).not.toContain('TypeError');
    expect(await statusOf()).toBe('partial');
    expect((await refreshesOf(db.sql, seen)).at(-1)).toMatchObject({
      status: 'failed',
      error: { code: 'NS502' },
    });
    expect(await isCurrent(db.sql, seen)).toBe(false);
  });
});

it('a refresh whose answer was lost, and which goes on, is not waited for beyond the end of the run', async () => {
  await createTwoViews(db);
  const real = createRpc(await db.gateway(), enoughTime().deadline);
  let remainingMs = 120_000;
  const call = async (...request: Parameters<Rpc['call']>) => {
    const [name, , answer, options] = request;
    if (name !== 'refresh_view') return real.call(...request);
    options?.retry?.(new NightshiftError('NS503', 'No answer'), 1);
    remainingMs = 0;
    return answer.parse({ outcome: 'busy', detail: 'Another session refreshes it.' });
  };
  const result = await runRefresh(
    db,
    { only: [seen] },
    { rpc: { call: call as Rpc['call'] }, deadline: { remainingMs: () => remainingMs } },
  );
  expect(stepOf(result, seen)).toMatchObject({ status: 'waiting' });
  expect(result.run.status).toBe('continued');
});

describe('rows that the unique index of a view does not allow', () => {
  it('are quoted nowhere, not even in the log of the server', async () => {
    const own = await createOwnDatabase({ log_min_messages: 'debug1' });
    const { sql } = own;
    try {
      await createTwoViews(own);
      await write(
        sql,
        `create table app.people (id text); insert into app.people select 'x'; ${viewOf('app.names', 'select id from app.people')}
        ${viewOf('app.names_blocking', 'select id from app.people', 'id', ', allow_blocking => true')}
        refresh materialized view app.names_blocking with no data`,
      );
      await runRefresh(own, { only: ['app.names'] });
      await letPass(sql);
      await write(
        sql,
        "insert into app.people select 'sec' || 'ret-row' from generate_series(1, 2)",
      );
      const result = await runRefresh(own, {}, enoughTime());
      for (const view of ['app.names', 'app.names_blocking']) {
        expect(stepOf(result, view)).toMatchObject({ status: 'failed', error: { code: 'NS422' } });
      }
      const [ledger] = await sql`
        select (select json_agg(r) from nightshift.runs r)::text || (select json_agg(v) from nightshift.view_refreshes v)::text as text`;
      expect(JSON.stringify(result) + ledger?.text).not.toContain('secret-row');
      expect(printed.text).toContain('returns rows that its unique index does not allow');
      expect(printed.text).not.toContain('secret-row');

      await expect(sql`refresh materialized view concurrently app.names`).rejects.toThrow();
      await until('the log has what a refresh by hand fails with', async () =>
        printed.text.includes('secret-row'),
      );
    } finally {
      await own.drop();
    }
  }, 60_000);
});
