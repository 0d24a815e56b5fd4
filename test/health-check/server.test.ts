import postgres from 'postgres';
import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { holdTransaction, readCheck } from '../support/health.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

interface Measure {
  subject: string;
  value: string;
  detail: string;
  fix: string | null;
}
const measure = (check: string) =>
  db.sql.unsafe<Measure[]>(
    `select subject, value, detail, fix from nightshift.health_${check}(now()) order by subject`,
  );

describe('blocked sessions', () => {
  const wait = async (statement: string) => {
    const session = db.connect();
    const [backend] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`;
    const done = session.unsafe(statement).execute();
    await until('it waits', async () => {
      const waits = await db.sql`
        select from pg_locks where pid = ${backend?.pid ?? 0} and not granted`;
      return waits.length > 0;
    });
    return { pid: backend?.pid, done, end: () => session.end() };
  };

  it('are told to end the one in front, who waits for nobody', async () => {
    await db.sql`create table app.a ()`;
    await db.sql`create table app.b ()`;
    const release = await holdTransaction(db, 'lock table app.a');
    const middle = await wait('begin; lock table app.b; lock table app.a; commit');
    const last = await wait('begin; lock table app.b; commit');

    const [first, second] = await measure('blocked_sessions');
    expect(new Set([first?.subject, second?.subject])).toEqual(
      new Set([`pid ${middle.pid}`, `pid ${last.pid}`]),
    );
    expect(first?.fix).toMatch(/^select pg_terminate_backend\(\d+\);$/);
    expect(second?.fix).toBe(first?.fix);
    expect(first?.fix).not.toContain(`${middle.pid}`);

    await db.sql.unsafe(first?.fix ?? '');
    await Promise.all([middle.done, last.done]);
    expect(await measure('blocked_sessions')).toEqual([]);
    await Promise.all([release(), middle.end(), last.end()]);
  });

  it('only cancel a statement in front that runs', async () => {
    await db.sql`create table app.a ()`;
    const busy = db.connect();
    const running = busy
      .unsafe('begin; lock table app.a; select pg_sleep(60)')
      .execute()
      .catch((error) => error.code);
    await until('it holds the lock', async () => {
      const held = await db.sql`select from pg_locks where relation = 'app.a'::regclass`;
      return held.length > 0;
    });
    const waiting = await wait('select from app.a');
    const [found] = await measure('blocked_sessions');
    expect(found?.fix).toMatch(/^select pg_cancel_backend\(\d+\);$/);
    await db.sql.unsafe(found?.fix ?? '');
    expect(await running).toBe('57014');
    await busy`rollback`;
    await waiting.done;
    await Promise.all([waiting.end(), busy.end()]);
  });
});

it('a prepared transaction is a long one, and in front of who waits for it', async () => {
  await db.sql`create table app.a ()`;
  const gid = `it's "prepared" ${new URL(db.url).pathname}`;
  const literal = `'${gid.replace("'", "''")}'`;
  const waiting = db.connect();
  await waiting.unsafe(`begin; lock table app.a; prepare transaction ${literal}`);
  const answer = waiting`select from app.a`.execute();
  await until('it waits', async () => (await measure('blocked_sessions')).length === 1);
  expect(await measure('blocked_sessions')).toMatchObject([
    { detail: expect.stringMatching(/blocked by a prepared transaction$/) },
  ]);

  const { findings } = await readCheck(db.sql, 'long_transactions', '2 hours');
  const found = findings.find(({ subject }) => subject === `prepared transaction ${gid}`);
  expect(found).toMatchObject({ level: 'critical', fix: `rollback prepared ${literal};` });
  await db.sql.unsafe(found?.fix ?? '');
  await answer;
  await waiting.end();
});

it('leaves a vacuum alone however long it takes', async () => {
  await db.sql.unsafe(`
    create table app.t (id integer);
    insert into app.t select generate_series(1, 50000)`);
  const session = db.connect();
  await session.unsafe("set vacuum_cost_delay = '50ms'; set vacuum_cost_limit = 1");
  const [backend] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`;
  const done = session`vacuum (freeze) app.t`.execute().catch((error) => error.code);
  await until('it is under way', async () => {
    const progress = await db.sql`
      select from pg_stat_progress_vacuum where pid = ${backend?.pid ?? 0}`;
    return progress.length > 0;
  });
  const subjects = (await measure('long_transactions')).map(({ subject }) => subject);
  expect(subjects).not.toContain(`pid ${backend?.pid}`);
  await db.sql`select pg_cancel_backend(${backend?.pid ?? 0})`;
  expect(await done).toBe('57014');
  await session.end();
});

describe('dead rows', () => {
  it('are those of materialized views and of TOAST, too', async () => {
    await db.sql.unsafe(`
      create table app.source (n integer) with (autovacuum_enabled = off);
      insert into app.source values (0);
      create materialized view app.view with (autovacuum_enabled = off) as
        select i + n as id from generate_series(1, 20000) i, app.source;
      create unique index on app.view (id);
      update app.source set n = 20000;
      refresh materialized view concurrently app.view;
      create table app.document (body text) with (autovacuum_enabled = off);
      alter table app.document alter column body set storage external;
      insert into app.document select repeat('x', 20000) from generate_series(1, 1000);
      delete from app.document;
      select pg_stat_force_next_flush()`);
    const found = await measure('dead_tuples');
    expect(found.map(({ subject, fix }) => [subject, fix])).toEqual([
      ['app.document (TOAST)', 'vacuum (analyze) app.document;'],
      ['app.view', 'vacuum (analyze) app.view;'],
    ]);
    for (const { fix } of found) await db.sql.unsafe(fix ?? '');
    expect(await measure('dead_tuples')).toEqual([]);
  });

  it('are held against the settings of the table', async () => {
    await db.sql.unsafe(`
      create table app.t (id integer) with (
        autovacuum_enabled = off, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.5
      );
      insert into app.t select generate_series(1, 28000)`);
    await db.sql`vacuum (analyze) app.t`;
    await db.sql.unsafe('delete from app.t where id <= 15000; select pg_stat_force_next_flush()');
    expect(await measure('dead_tuples')).toMatchObject([{ subject: 'app.t', value: '1.0' }]);
  });
});

describe('sequences', () => {
  it.each([
    ['of an identity', 'create table app.t (id integer generated always as identity)', 't_id_seq'],
    ['of a smallserial', 'create table app.t (id smallserial)', 't_id_seq'],
    [
      'whose column was widened alone',
      'create table app.t (id serial); alter table app.t alter column id type bigint',
      't_id_seq',
    ],
    [
      'that a column takes from without owning it',
      `create sequence app.s; create table app.t (id integer default nextval('app.s'))`,
      's',
    ],
    ['with a maximum of its own', 'create sequence app.s maxvalue 1000', 's'],
    ['that descends', 'create sequence app.s as integer increment -1', 's'],
    [
      'of a partitioned table',
      `create table app.t (id serial, at date) partition by range (at);
      create table app.t1 partition of app.t for values from ('2020-01-01') to ('2030-01-01')`,
      't_id_seq',
    ],
  ])('%s: the fix makes room', async (_, create, name) => {
    await db.sql.unsafe(create);
    const [fresh] = await measure('sequences');
    expect(fresh).toMatchObject({ subject: `app.${name}`, value: '0.0' });
    const [, limitInWords = ''] = / of (-?\d[\d,]*\d)/.exec(fresh?.detail ?? '') ?? [];
    const limit = Number(limitInWords.replaceAll(',', ''));
    await db.sql`select setval(${`app.${name}`}::regclass, ${Math.trunc(limit * 0.95)})`;
    const { findings } = await readCheck(db.sql, 'sequences');
    expect(findings).toMatchObject([{ subject: `app.${name}`, level: 'critical' }]);
    await db.sql.unsafe(findings[0]?.fix ?? '');
    expect((await readCheck(db.sql, 'sequences')).level).toBe('ok');
  });

  it('run out where a column that refers to theirs does, and the fix widens that first', async () => {
    await db.sql.unsafe(`
      create table app.t (id bigint generated always as identity primary key);
      create table app.refers (t integer primary key references app.t);
      create table app.further (t smallint references app.refers);
      create table app.wide (t bigint references app.t);
      select setval('app.t_id_seq', 32760)`);
    const { findings } = await readCheck(db.sql, 'sequences');
    expect(findings).toMatchObject([
      {
        subject: 'app.t_id_seq',
        level: 'critical',
        detail: expect.stringMatching(
          / of 32,767, for app\.t\.id \(bigint\), app\.further\.t \(smallint\)/,
        ),
        fix: 'alter table app.further alter column t type bigint; alter table app.refers alter column t type bigint;',
      },
    ]);
    await db.sql.unsafe(`drop table app.further; select setval('app.t_id_seq', 2147483640)`);
    expect(await readCheck(db.sql, 'sequences')).toMatchObject({ level: 'critical' });
    await db.sql.unsafe((await readCheck(db.sql, 'sequences')).findings[0]?.fix ?? '');
    expect((await readCheck(db.sql, 'sequences')).level).toBe('ok');
    await db.sql`insert into app.t default values`;
  });

  it('that start again, or have all of a bigint, do not run out', async () => {
    await db.sql.unsafe(`
      create sequence app.turning as integer maxvalue 100 cycle;
      create table app.t (id bigint generated always as identity);
      select setval('app.turning', 99)`);
    expect(await measure('sequences')).toEqual([]);
  });

  it('are let go of once they are read', async () => {
    await db.sql`create sequence app.s as integer`;
    await db.sql.begin(async (sql) => {
      await sql`select * from nightshift.health_sequences(now())`;
      const locks = await sql`select from pg_locks where relation = 'app.s'::regclass`;
      expect(locks).toHaveLength(0);
    });
  });

  it('that another session holds are unknown, the others known', async () => {
    await db.sql`create sequence app.held as integer`;
    await db.sql`create sequence app.s as integer`;
    const release = await holdTransaction(db, 'drop sequence app.held');
    const { measured, findings } = await readCheck(db.sql, 'sequences');
    expect(measured).toBe(2);
    expect(findings).toMatchObject([{ subject: 'app.held', level: 'unknown' }]);
    await release();
  });
});

describe('limits on connections', () => {
  it('are those of the role and of the database, too, and the nearest one counts', async () => {
    const role = `limited_${new URL(db.url).pathname.slice(-8)}`;
    const name = new URL(db.url).pathname.slice(1);
    await db.sql.unsafe(`create role ${role} login password 'secret' connection limit 3`);
    await db.sql.unsafe(`alter database ${name} connection limit 1000`);
    const url = new URL(db.url);
    url.username = role;
    url.password = 'secret';
    const sessions = postgres(url.href, { max: 3, onnotice: () => {} });
    try {
      const held = await Promise.all([1, 2, 3].map(() => sessions.reserve()));
      const found = await readCheck(db.sql, 'connections');
      expect(found).toMatchObject({ level: 'critical', subject: `role ${role}`, value: 100 });
      await db.sql.unsafe(found.findings[0]?.fix ?? '');
      expect((await readCheck(db.sql, 'connections')).level).toBe('ok');
      await db.sql.unsafe(`alter database ${name} connection limit 4`);
      expect(await readCheck(db.sql, 'connections')).toMatchObject({
        level: 'critical',
        subject: `database ${name}`,
      });
      for (const session of held) session.release();
    } finally {
      await sessions.end({ timeout: 0 });
      await db.sql.unsafe(`alter database ${name} connection limit -1; drop role ${role}`);
    }
  });
});

describe('the age of transaction ids', () => {
  it('goes by the members of multixacts, too, and says where they cannot be seen', async () => {
    const [members] = (await measure('transaction_id_age')).filter(
      ({ subject }) => subject === 'multixact members',
    );
    expect(members).toMatchObject({
      value: expect.stringMatching(/^0\.\d+$/),
      detail: expect.stringMatching(/^about [\d,]+ of 4,294,967,296/),
    });
    await db.sql.begin(async (sql) => {
      await sql.unsafe(`
        create role nightshift_without_files;
        grant usage on schema nightshift to nightshift_without_files;
        grant execute on all functions in schema nightshift to nightshift_without_files;
        set local role nightshift_without_files`);
      const hidden = await sql`
        select value, detail from nightshift.health_transaction_id_age(now())
        where subject = 'multixact members'`;
      expect(hidden).toMatchObject([
        { value: null, detail: 'nightshift_without_files may not list the files that hold them' },
      ]);
      await sql`reset role`;
      await sql`drop owned by nightshift_without_files`;
      await sql`drop role nightshift_without_files`;
    });
  });
});

describe('growth', () => {
  const note = (days: number, bytes: number) => db.sql`
    insert into nightshift.trend_points (kind, subject, at, bytes)
    values ('database', '', date_trunc('day', now(), 'UTC') - make_interval(days => ${days}), ${bytes})`;
  beforeEach(() => db.sql`delete from nightshift.trend_points`);

  it('is silent until it has been noted for three days, whatever came in meanwhile', async () => {
    await note(0, 900e6);
    await note(2, 1e6);
    expect(await readCheck(db.sql, 'database_growth')).toMatchObject({ level: 'ok', value: null });
    expect(await measure('database_growth')).toMatchObject([
      { value: null, detail: expect.stringMatching(/^Not known yet/) },
    ]);
  });

  it('is extrapolated from the oldest size until there is one that is a week old', async () => {
    await note(0, 1300e6);
    await note(1, 1290e6);
    await note(3, 1000e6);
    expect(await measure('database_growth')).toMatchObject([
      { value: '70.0', detail: expect.stringMatching(/in 3 days, extrapolated to 7$/) },
    ]);
    await note(7, 1000e6);
    await note(12, 1e6);
    expect(await readCheck(db.sql, 'database_growth')).toMatchObject({ level: 'info', value: 30 });
  });

  it('is none below 100 MB, however small the database was', async () => {
    await note(0, 90e6);
    await note(7, 10e6);
    expect(await readCheck(db.sql, 'database_growth')).toMatchObject({ level: 'ok', value: 800 });
    await db.sql`update nightshift.trend_points set bytes = bytes + 30e6 where bytes = 90e6`;
    expect(await readCheck(db.sql, 'database_growth')).toMatchObject({ level: 'warning' });
  });
});

it('a statement can have a limit of its own; the text of none is told, and Nightshift has none', async () => {
  await db.sql`select extensions.pg_stat_statements_reset(0, oid, 0) from pg_database where datname = current_database()`;
  for (let call = 0; call < 100; call++) {
    await db.sql`select 'a secret', pg_sleep(0.002)`;
    await db.sql`select from nightshift.health_checks`;
    await db.sql.unsafe('create temporary table if not exists t ()');
  }
  const found = await measure('slow_statements');
  expect(found).toHaveLength(1);
  expect(JSON.stringify(found)).not.toContain('secret');
  const [{ subject, fix } = { subject: '', fix: '' }] = found;
  await db.sql`select nightshift.set_health_threshold('slow_statements', ${subject}, warning => 1)`;
  expect(await readCheck(db.sql, 'slow_statements')).toMatchObject({ level: 'warning', subject });
  const [shown] = await db.sql.unsafe(fix ?? '');
  expect(shown).toMatchObject({ query: 'select $1, pg_sleep($2)' });
});

it('of slow statements those count that the team wrote, not those of Supabase and of tools', async () => {
  await db.sql`select extensions.pg_stat_statements_reset(0, oid, 0) from pg_database where datname = current_database()`;
  const often = (statement: string) => db.sql.unsafe(`${statement};`.repeat(100));
  await db.sql`create table app.pg_like (id integer)`;
  await often('select r.id, pg_catalog.count(*) from app.pg_like r group by r.id');
  await often('select from pg_sleep(0)');
  await often('select is_dst from pg_timezone_names limit 1');
  await often('select 1 from app.pg_like l join "pg_catalog"."pg_class" c on c.oid = l.id');
  await often('select 1 from information_schema.schemata');
  const [{ keepsComments } = {}] = await db.sql`
    select current_setting('server_version_num')::integer < 180000 as "keepsComments"`;
  // Since version 18 the text of a statement begins behind its comment.
  if (keepsComments) await often('-- source: dashboard\nselect 2 as two');
  await db.sql.begin(async (sql) => {
    await sql`set local role authenticator`;
    await sql.unsafe('select 3 as three;'.repeat(100));
  });
  const found = await measure('slow_statements');
  const queries = await db.sql`
    select distinct query from extensions.pg_stat_statements
    where 'statement ' || queryid = any(${found.map(({ subject }) => subject)})`;
  expect(queries.map(({ query }) => query).sort()).toEqual([
    'select from pg_sleep($1)',
    'select r.id, pg_catalog.count(*) from app.pg_like r group by r.id',
  ]);
});

it('the size of the database asks for its limit only while there is none', async () => {
  const { sql } = db;
  const found = async () => {
    const { why, findings } = await readCheck(sql, 'database_size');
    expect(findings).toHaveLength(1);
    return `${why} ${findings[0]?.detail}`;
  };
  await sql`select nightshift.set_health_threshold('database_size', warning => 1)`;
  expect(await found()).toContain('update nightshift.settings set size_limit_bytes');
  await sql`update nightshift.settings set size_limit_bytes = 5000000, size_limit_kind = 'disk'`;
  expect(await found()).not.toContain('size_limit_bytes');
  await sql`update nightshift.settings set size_limit_bytes = null, size_limit_kind = null`;
  await sql`select nightshift.remove_health_threshold('database_size')`;
});

it('a check that cannot run can be given a threshold, which says so', async () => {
  await db.sql`drop extension pg_stat_statements`;
  try {
    const [row] = await db.sql`
      select nightshift.set_health_threshold('slow_statements', 'statement 1', 1, 2, 3) as threshold`;
    expect(row?.threshold).toMatchObject({
      subject: 'statement 1',
      warnings: [expect.stringMatching(/cannot run at this moment.*is not installed/)],
    });
  } finally {
    await db.sql`create extension pg_stat_statements with schema extensions`;
  }
});

it('a threshold of a subject goes before that of the check, and that before those of its own', async () => {
  const { sql } = db;
  const levelNow = async () => (await readCheck(sql, 'connections')).level;
  await sql`select nightshift.set_health_threshold('connections', null, warning => 0.1)`;
  expect(await levelNow()).toBe('warning');
  await sql`select nightshift.set_health_threshold('connections', 'all connections', info => 0.1)`;
  expect(await levelNow()).toBe('info');
  await sql`select nightshift.set_health_threshold('connections', 'all connections')`;
  expect(await levelNow()).toBe('ok');
  await sql`select nightshift.remove_health_threshold('connections', 'all connections')`;
  expect(await levelNow()).toBe('warning');
  await sql`select nightshift.remove_health_threshold('connections')`;
  expect(await levelNow()).toBe('ok');
});
