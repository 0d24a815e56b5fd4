import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { presenter } from '../../cli/present/table-vacuum.ts';
import { Stop, stoppedByHand } from '../../functions/_shared/stop.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { endless } from '../support/deadline.ts';
import { runVacuum, spawnVacuum } from '../support/vacuum.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();

beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    create table app.orders (id integer primary key, name text, unique (name)) with (autovacuum_enabled = false);
    create index "the ""state""" on app.orders (upper(name));
    insert into app.orders select n, md5(n::text) from generate_series(1, 5000) n;
    delete from app.orders where id % 10 > 0;
  `);
  await db.sql.unsafe('vacuum analyze app.orders');
});

/** Sessions that a test has left waiting on purpose. */
const held: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const release of held.splice(0)) await release();
});

const rebuild = (...names: string[]) => runVacuum(db, { reindex: names });
const statuses = ({ report }: Awaited<ReturnType<typeof runVacuum>>) =>
  Object.fromEntries(report.indexes.map(({ index, status }) => [index, status]));

/** The indexes of a schema that no query can use. */
async function invalid(): Promise<string[]> {
  const rows = await db.sql<{ name: string }[]>`
    select x.indexrelid::regclass::text as name from pg_index x join pg_class c on c.oid = x.indexrelid
    where not x.indisvalid and c.relnamespace = 'app'::regnamespace order by 1`;
  return rows.map(({ name }) => name);
}

/** A transaction that has written to the table: whoever rebuilds an index of it waits for its end. */
async function writing(table = 'app.orders') {
  const session = db.connect();
  await session`begin`;
  await session.unsafe(`insert into ${table} values (-1, 'written')`);
  const release = async () => void (await session`rollback`);
  held.push(release);
  return { session, release };
}

const isRebuilding = () =>
  until('an index is being rebuilt', async () => (await invalid()).length > 0);

const isOver = () =>
  until('nothing is being rebuilt', async () => {
    const rows = await db.sql`
      select from pg_stat_progress_create_index where datname = current_database()`;
    return rows.length === 0;
  });

/** Until the ledger has what is being built. */
const isNoted = () =>
  until('it is written down', async () => {
    const rows = await db.sql`
      select from nightshift.runs r, jsonb_each(r.progress -> 'indexes') i(name, step)
      where r.status = 'running' and i.step -> 'built' <> '[]'`;
    return rows.length > 0;
  });

describe('an index that a run is asked for', () => {
  it.each([
    ['of a primary key', 'app.orders_pkey'],
    ['of a unique constraint', 'app.orders_name_key'],
    ['of an expression, with quotes in its name', 'app."the ""state"""'],
  ])('%s is rebuilt, and smaller', async (_, index) => {
    const oid = async () => (await db.sql`select ${index}::text::regclass::oid as oid`)[0]?.oid;
    const before = await oid();
    const { run, report } = await rebuild(index);
    expect(run.status).toBe('succeeded');
    expect(report.steps).toEqual([]);
    expect(report.indexes).toMatchObject([
      { index, table: 'app.orders', status: 'rebuilt', fixes: [] },
    ]);
    const [step] = report.indexes;
    expect(step?.bytesAfter).toBeLessThan(step?.bytesBefore ?? 0);
    expect(await oid()).not.toBe(before);
    expect(await invalid()).toEqual([]);
    const [constraint] = await db.sql`
      select count(*)::integer as n from pg_constraint where conrelid = 'app.orders'::regclass and contype in ('p', 'u')`;
    expect(constraint?.n).toBe(2);
  });

  it('of a partitioned table is rebuilt part by part', async () => {
    await db.sql.unsafe(`
      create table app.logs (day integer) partition by range (day);
      create index days on app.logs (day);
      create table app.logs_1 partition of app.logs for values from (0) to (10);
      create table app.sub partition of app.logs for values from (10) to (30) partition by range (day);
      create table app.logs_2 partition of app.sub for values from (10) to (20);`);
    expect(statuses(await rebuild('app.days'))).toEqual({
      'app.logs_1_day_idx': 'rebuilt',
      'app.logs_2_day_idx': 'rebuilt',
    });
    expect(await invalid()).toEqual([]);
  });

  it('is rebuilt by one process, whatever the server allows', async () => {
    // Whoever computes its entries says how many more there may be.
    await db.sql.unsafe(`
      create function app.alone(id integer) returns integer language plpgsql immutable parallel safe as $$
      begin
        assert pg_catalog.current_setting('max_parallel_maintenance_workers') = '0';
        return id;
      end $$;
      set local max_parallel_maintenance_workers = 0;
      create index alone on app.orders (app.alone(id));
    `);
    await expect(db.sql.unsafe('reindex index app.alone')).rejects.toThrow(/assertion/);
    expect(statuses(await rebuild('app.alone'))).toEqual({ 'app.alone': 'rebuilt' });
  });

  it('that was invalid is valid afterwards', async () => {
    await db.sql.unsafe(
      'create table app.twice (n integer); insert into app.twice values (1), (1)',
    );
    await db.sql`create unique index concurrently once on app.twice (n)`.catch(() => {});
    const failed = await rebuild('app.once');
    expect(failed.run.status).toBe('failed');
    expect(failed.report.indexes).toMatchObject([{ status: 'failed', error: { code: '23505' } }]);
    expect(await invalid()).toEqual(['app.once']);
    await db.sql`delete from app.twice`;
    expect(statuses(await rebuild('app.once'))).toEqual({ 'app.once': 'rebuilt' });
    expect(await invalid()).toEqual([]);
  });

  it('is no reason to vacuum, unless a table is asked for as well, and none to call the job done', async () => {
    await db.sql`delete from app.orders where id <= 4000`;
    const { report } = await runVacuum(db, { reindex: ['app.orders_pkey'], only: ['app.orders'] });
    expect(report.steps).toMatchObject([{ table: 'app.orders', status: 'vacuumed' }]);
    expect(report.indexes).toMatchObject([{ status: 'rebuilt' }]);
    await rebuild('app.orders_pkey');
    const [state] = await db.sql`
      select j.last_success_at from nightshift.job_states(now()) j where j.job = 'table-vacuum'`;
    expect(state?.last_success_at ?? null).toBeNull();
  });

  it('is named in a dry run with its statement, and nothing is done', async () => {
    const [before] = await db.sql`select 'app.orders_pkey'::regclass::oid as oid`;
    const { run, report } = await runVacuum(db, { dryRun: true, reindex: ['app.orders_pkey'] });
    expect(run.status).toBe('succeeded');
    expect(report.indexes).toMatchObject([
      { status: 'due', statement: 'reindex index concurrently app.orders_pkey;' },
    ]);
    expect(await db.sql`select 'app.orders_pkey'::regclass::oid as oid`).toEqual([before]);
    const shown = vi.spyOn(console, 'log').mockImplementation(() => {});
    presenter.showReport(report as never);
    expect(shown.mock.calls.join('\n')).toMatch(
      /app\.orders_pkey[\s\S]*reindex index concurrently/,
    );
    shown.mockRestore();
  });
});

describe('an index is left alone', () => {
  it.each([
    ['is no index', 'app.orders', /no such index: app\.orders/],
    ['is gone', 'app.nothing', /no such index: app\.nothing/],
    ['is malformed', 'app."', /no such index/],
  ])('that %s', async (_, name, message) => {
    await expect(rebuild(name)).rejects.toMatchObject({ code: 'NS404', message });
  });

  it('that Postgres cannot rebuild concurrently, and the report says what can be done', async () => {
    await db.sql.unsafe(
      'create table app.rooms (at int4range, constraint apart exclude using gist (at with &&))',
    );
    const { run, report } = await rebuild('app.apart', 'pg_catalog.pg_class_oid_index');
    expect(run.status).toBe('failed');
    expect(
      report.indexes.map(({ status, fixes }) => [status, fixes[0]?.fix.split(';')[0]]),
    ).toEqual([
      ['blocked', 'reindex index app.apart'],
      ['blocked', 'reindex index pg_catalog.pg_class_oid_index'],
    ]);
  });

  it('without a direct connection', async () => {
    const { report } = await runVacuum(db, { reindex: ['app.orders_pkey'] }, { databaseUrl: null });
    expect(report.indexes).toMatchObject([
      {
        status: 'blocked',
        fixes: [{ fix: expect.stringContaining('reindex index concurrently app.orders_pkey;') }],
      },
    ]);
  });

  it('for which there is not time enough', async () => {
    const { run, report } = await runVacuum(
      db,
      { reindex: ['app.orders_pkey'] },
      { deadline: endless(10_000) },
    );
    expect(run.status).toBe('continued');
    expect(report.indexes).toMatchObject([{ status: 'waiting' }]);
    expect(await invalid()).toEqual([]);
  });

  it('while a transaction lasts that it would wait for, which is named', async () => {
    const { session } = await writing();
    const [backend] = await session`select pg_backend_pid() as pid`;
    const old = await db.sql`
      select nightshift.old_transaction(now() + interval '1 second', 'app.orders'::regclass) as holder`;
    expect(old[0]?.holder).toMatchObject({
      holder: expect.stringContaining(`pid ${backend?.pid} `),
      fix: `select pg_terminate_backend(${backend?.pid});`,
    });
    const source = readFileSync('supabase/schema/vacuum/old_transaction.sql', 'utf8');
    const inTwoMinutes = source.replace(
      'h.since < old_transaction.before',
      "h.since < old_transaction.before + interval '2 minutes'",
    );
    expect(inTwoMinutes).not.toBe(source);
    await db.sql.unsafe(inTwoMinutes);
    try {
      const { report } = await rebuild('app.orders_pkey');
      expect(report.indexes).toMatchObject([
        { status: 'blocked', detail: expect.stringContaining(`pid ${backend?.pid} `) },
      ]);
      expect(await invalid()).toEqual([]);
    } finally {
      await db.sql.unsafe(source);
    }
  });

  it('whose table someone else has locked', async () => {
    const other = db.connect();
    await other`begin`;
    await other`lock table app.orders in share mode`;
    held.push(async () => void (await other`rollback`));
    expect((await rebuild('app.orders_pkey')).report.indexes).toMatchObject([
      { status: 'blocked', detail: expect.stringContaining('has the table locked') },
    ]);
  });

  it('of which someone else has left an invalid one, which stays', async () => {
    const { release } = await writing();
    const theirs = db.connect();
    const reindex = theirs`reindex index concurrently app.orders_pkey`.catch(() => {});
    await isRebuilding();
    // While it is under way, and after it has failed.
    expect((await rebuild('app.orders_pkey')).report.indexes).toMatchObject([
      { status: 'blocked' },
    ]);
    await db.sql`
      select pg_cancel_backend(pid) from pg_stat_activity where datname = current_database() and query like 'reindex index conc%'`;
    await reindex;
    await release();
    expect((await rebuild('app.orders_pkey')).report.indexes).toMatchObject([
      {
        status: 'blocked',
        detail: expect.stringContaining('app.orders_pkey_ccnew is left of'),
        fixes: [{ fix: 'drop index concurrently app.orders_pkey_ccnew;' }],
      },
    ]);
    // Nor is it taken for an index to rebuild.
    expect(statuses(await rebuild('app.orders_pkey_ccnew'))).toEqual({
      'app.orders_pkey_ccnew': 'blocked',
    });
    expect(await invalid()).toEqual(['app.orders_pkey_ccnew']);
    await db.sql`drop index concurrently app.orders_pkey_ccnew`;
    expect(statuses(await rebuild('app.orders_pkey'))).toEqual({ 'app.orders_pkey': 'rebuilt' });
  });
});

describe('a rebuilding that breaks off', () => {
  it('gives way to a migration, and leaves nothing behind', async () => {
    const { release } = await writing();
    const running = rebuild('app.orders_pkey');
    await isRebuilding();
    const altered = db.connect()`alter table app.orders add column more text`.execute();
    await isOver();
    await release();
    await altered;
    const { report } = await running;
    expect(report.indexes).toMatchObject([
      { status: 'blocked', detail: expect.stringMatching(/^it gave way to pid \d+ /) },
    ]);
    expect(await invalid()).toEqual([]);
  });

  it('with its run, which is cancelled, leaves nothing behind', async () => {
    const { release } = await writing();
    const running = rebuild('app.orders_pkey', 'app.orders_name_key');
    await isRebuilding();
    await db.sql`select nightshift.cancel_run(id) from nightshift.runs where status = 'running'`;
    await isOver();
    await release();
    const { run } = await running;
    expect(run).toMatchObject({ status: 'interrupted', error: { code: 'NS410' } });
    expect(await invalid()).toEqual([]);
  });

  it('with its function, which is killed, is cleared away by the next run', async () => {
    const { release } = await writing();
    const child = await spawnVacuum(db, ['--reindex', 'app.orders_pkey']);
    await isNoted();
    child.kill('SIGKILL');
    await isOver();
    await release();
    expect(await invalid()).toEqual(['app.orders_pkey_ccnew']);
    await db.sql`update nightshift.runs set lease_expires_at = now() - interval '1 s' where status = 'running'`;
    const { report } = await rebuild('app.orders_pkey');
    expect(report.indexes).toMatchObject([{ status: 'rebuilt', fixes: [] }]);
    expect(await invalid()).toEqual([]);
  });

  it('is cleared away without keeping a migration from its lock', async () => {
    const { release } = await writing();
    const child = await spawnVacuum(db, ['--reindex', 'app.orders_pkey']);
    await isNoted();
    child.kill('SIGKILL');
    await isOver();
    await db.sql`update nightshift.runs set lease_expires_at = now() - interval '1 s' where status = 'running'`;
    const running = rebuild('app.orders_pkey');
    await until('what is left is being dropped', async () => {
      const rows = await db.sql`
        select from pg_stat_activity
        where datname = current_database() and query like 'drop index concurrently%' and wait_event_type = 'Lock'`;
      return rows.length > 0;
    });
    // Of who writes, this one is no hindrance.
    const migration = db.connect();
    await migration`set lock_timeout = '15s'`;
    await migration`alter table app.orders alter column name set statistics 50`;
    await release();
    await running;
  });

  it.each([
    ['dropped', 'drop index app.plain'],
    ['renamed', 'alter index app.plain rename to other'],
  ])('because its index is being %s leaves nothing behind', async (_, statement) => {
    await db.sql`create index plain on app.orders (name, id)`;
    const { release } = await writing();
    let done: Promise<unknown> | undefined;
    const finish_reindex = async () => {
      await release();
      await done;
    };
    const running = runVacuum(db, { reindex: ['app.plain'] }, { before: { finish_reindex } });
    await isNoted();
    done = db.connect().unsafe(statement).execute();
    const { report } = await running;
    expect(report.indexes).toMatchObject([{ status: 'skipped', fixes: [] }]);
    expect(await invalid()).toEqual([]);
  });

  it('because its index was dropped is no failure', async () => {
    const before = { begin_reindex: () => db.sql`drop index if exists app."the ""state"""` };
    const { run, report } = await runVacuum(db, { reindex: ['app."the ""state"""'] }, { before });
    expect(run.status).toBe('succeeded');
    expect(report.indexes).toMatchObject([{ status: 'skipped' }]);
  });

  it('twice, of different indexes, keeps a third from being tried', async () => {
    await db.sql.unsafe(
      'create table app.twice (n integer); insert into app.twice values (1), (1)',
    );
    for (const name of ['a', 'b', 'c']) {
      await db.sql
        .unsafe(`create unique index concurrently ${name} on app.twice (n)`)
        .catch(() => {});
    }
    const { report } = await rebuild('app.a', 'app.b', 'app.c');
    expect(report.indexes.map(({ status }) => status)).toEqual(['failed', 'failed', 'blocked']);
    expect(await invalid()).toEqual(['app.a', 'app.b', 'app.c']);
  });

  it('when the run is stopped, and the run ends', async () => {
    const { release } = await writing();
    const stop = new Stop();
    const running = runVacuum(db, { reindex: ['app.orders_pkey'] }, { stop });
    await isRebuilding();
    stop.raise(stoppedByHand('Ctrl-C'));
    await isOver();
    await release();
    const { run, report } = await running;
    expect(run.status).toBe('interrupted');
    expect(report.indexes).toMatchObject([{ status: 'waiting' }]);
    expect(await invalid()).toEqual([]);
  });
});

describe('an index of someone else', () => {
  it('is left, with the grant that is missing', async () => {
    await db.sql.unsafe(`
      create role index_owner;
      create role index_commoner bypassrls in role pg_monitor;
      create table app.theirs (id integer primary key);
      alter table app.theirs owner to index_owner;`);
    await db.sql.unsafe(
      'grant create on schema nightshift to index_commoner; grant usage on schema nightshift, app to index_commoner; grant all on all tables in schema nightshift to index_commoner; grant execute on all functions in schema nightshift to index_commoner',
    );
    await db.sql.unsafe('alter function nightshift.plan_reindex owner to index_commoner');
    try {
      const { report } = await rebuild('app.theirs_pkey');
      expect(report.indexes).toMatchObject([
        {
          status: 'blocked',
          fixes: [{ fix: expect.stringMatching(/^grant .* to index_commoner;$/) }],
        },
      ]);
    } finally {
      await db.sql`alter function nightshift.plan_reindex owner to current_user`;
      await db.sql.unsafe(
        'drop owned by index_owner, index_commoner cascade; drop role index_owner, index_commoner',
      );
    }
  });
});
