import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { onCommandLine } from '../../cli/words.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import {
  isCurrent,
  letPass,
  outcomes,
  runRefresh,
  stepOf,
  viewOf,
  write,
} from '../support/views.ts';

const db = setUpDatabase();

const sources = `
  create table app.items (id integer, day date default '2026-01-01', note text default 'x');
  create table app.parted (id integer) partition by range (id);
  create table app.parted_1 partition of app.parted for values from (0) to (100);
  create table app.parted_2 partition of app.parted for values from (100) to (200);
  create table app.parent (id integer);
  create table app.child () inherits (app.parent);
  create table app.spare (id integer);
  insert into app.items (id) select generate_series(1, 5);
  insert into app.parted values (1), (101);
  insert into app.child values (1);
  insert into app.spare values (201);
  create function app.scale(n integer) returns integer language sql immutable as 'select n * 2';
  create view app.below as select id, note from app.items;
`;
const seen = viewOf(
  'app.seen',
  `select 'i' || id || note as id, app.scale(id) as scaled from app.below
  union all select 'p' || id, id from app.parted union all select 'c' || id, id from app.parent`,
);

describe('a view counts as changed', () => {
  beforeEach(async () => {
    await startAfresh(db.sql);
    await write(db.sql, sources + seen);
    await runRefresh(db);
    await letPass(db.sql);
  });

  const changes: Record<string, string> = {
    'an insert': 'insert into app.items values (9)',
    'an update': 'update app.items set id = 90 where id = 1',
    'a delete': 'delete from app.items where id = 1',
    'a truncate': 'truncate app.items',
    'a truncate of an empty table, and the same rows again':
      'create temp table saved as select * from app.items; truncate app.items; insert into app.items select * from saved; drop table saved',
    'a reset of all statistics': 'select pg_stat_reset()',
    'a reset of the statistics of a table':
      "select pg_stat_reset_single_table_counters('app.items'::regclass)",
    'a partition that is attached':
      'alter table app.parted attach partition app.spare for values from (200) to (300)',
    'a partition that is detached': 'alter table app.parted detach partition app.parted_1',
    'a write to a leaf partition': 'insert into app.parted_2 values (102)',
    'a write to a partitioned table': 'update app.parted set id = 103 where id = 1',
    'a write to an inheriting table': 'insert into app.child values (2)',
    'a table that inherits anew': 'alter table app.spare inherit app.parent',
    'a view below that is replaced':
      'create or replace view app.below as select id, note from app.items where id > 2',
    'a function below that is replaced':
      "create or replace function app.scale(n integer) returns integer language sql immutable as 'select n * 3'",
  };
  it.each(Object.entries(changes))('after %s', async (_, statements) => {
    expect(outcomes(await runRefresh(db))).toEqual({ 'app.seen': 'skipped: unchanged' });
    await write(db.sql, statements);
    const result = await runRefresh(db);
    expect(outcomes(result)).toEqual({ 'app.seen': 'refreshed: changed' });
    expect(await isCurrent(db.sql, 'app.seen')).toBe(true);
    await letPass(db.sql);
    expect(outcomes(await runRefresh(db))).toEqual({ 'app.seen': 'skipped: unchanged' });
  });

  it('after a copy', async () => {
    const user = db.connect();
    const rows = await user`copy app.items (id) from stdin`.writable();
    await new Promise<void>((resolve, reject) => {
      rows.on('finish', resolve).on('error', reject);
      rows.end('11\n12\n');
    });
    await write(user, 'select 1');
    expect(outcomes(await runRefresh(db))).toEqual({ 'app.seen': 'refreshed: changed' });
    expect(await isCurrent(db.sql, 'app.seen')).toBe(true);
  });

  it('not after a write that was rolled back or concerns another table', async () => {
    await write(db.sql, 'truncate app.spare; insert into app.spare values (1)');
    await db.connect().unsafe('begin; alter table app.items add column passing integer; rollback');
    expect(outcomes(await runRefresh(db))).toEqual({ 'app.seen': 'skipped: unchanged' });
  });

  const rowsAsAWhole = 'select id, to_jsonb(i) as document from app.items i';
  const total = 'create aggregate app.total(integer) (sfunc = app.add, stype = integer);';
  const adding = (sign: string) =>
    `create or replace function app.add(a integer, b integer) returns integer language sql immutable as 'select coalesce(a, 0) ${sign} b'`;
  it.each([
    ['a column is renamed', '', rowsAsAWhole, 'alter table app.items rename note to remark'],
    ['a column is added', '', rowsAsAWhole, 'alter table app.items add size integer default 3'],
    ['a column is dropped', '', rowsAsAWhole, 'alter table app.items drop day'],
    [
      'a value of an enumeration is renamed',
      "create type app.state as enum ('open'); create table app.doors as select 'open'::app.state as state;",
      'select state::text as id from app.doors',
      "alter type app.state rename value 'open' to 'ajar'",
    ],
    [
      'the function of an aggregate is replaced',
      `${adding('+')}; ${total}`,
      'select app.total(id) as id from app.items',
      adding('-'),
    ],
  ])('after %s that its result shows', async (_, before, query, after) => {
    await write(db.sql, before + viewOf('app.shown', query));
    await runRefresh(db);
    await letPass(db.sql);
    await write(db.sql, after);
    await runRefresh(db);
    expect(await isCurrent(db.sql, 'app.shown')).toBe(true);
  });
});

describe('what the query of a view depends on', () => {
  const untracked: Record<string, string> = {
    'now()': 'select now() as id',
    current_date: 'select current_date as id',
    localtimestamp: 'select id from app.items where day < localtimestamp',
    'random()': 'select random() as id',
    'clock_timestamp() in a plain view': 'select at as id from app.clock',
    'a stable function': 'select app.stable() as id',
    'a volatile function': 'select app.volatile() as id',
    'an operator with a stable function': 'select 1 as id where 1 operator(app.@@@) 1',
    'an aggregate with a volatile function': 'select app.noise(id) as id from app.items',
    'a foreign table': 'select line as id from app.foreign',
    'a system catalog': 'select oid as id from pg_catalog.pg_namespace',
    information_schema: 'select count(*) as id from information_schema.tables',
    tablesample: 'select id from app.items tablesample system (100)',
    'a sequence': 'select last_value as id from app.sequence',
    'row level security': 'select id from app.secured',
    'the catalogs by name': "select to_regclass('app.items')::text as id",
  };
  const tracked: Record<string, string> = {
    to_char: "select to_char(day, 'YYYY') as id from app.items limit 1",
    date_trunc: "select date_trunc('month', day) as id from app.items limit 1",
    'an immutable function': 'select app.scale(id) as id from app.items',
    'windows and aggregates': 'select id, rank() over (order by day) from app.items',
    json: 'select id, to_jsonb(note) from app.items',
  };
  const cases = [
    ...Object.entries(untracked).map((entry, n) => [...entry, `app.untracked_${n}`] as const),
    ...Object.entries(tracked).map((entry, n) => [...entry, `app.tracked_${n}`] as const),
  ];
  let again: Awaited<ReturnType<typeof runRefresh>>;
  const warnings: Record<string, string[]> = {};

  beforeAll(async () => {
    await startAfresh(db.sql);
    await write(
      db.sql,
      `${sources}
      create extension if not exists file_fdw;
      create server if not exists files foreign data wrapper file_fdw;
      create foreign table app.foreign (line text) server files options (filename '/dev/null');
      create sequence app.sequence;
      create view app.clock as select clock_timestamp() as at;
      create function app.stable() returns integer language sql stable as 'select 1';
      create function app.volatile() returns integer language sql volatile as 'select 1';
      create function app.alike(integer, integer) returns boolean language sql stable as 'select true';
      create operator app.@@@ (leftarg = integer, rightarg = integer, function = app.alike);
      create function app.blur(a integer, b integer) returns integer language sql volatile as 'select b';
      create aggregate app.noise(integer) (sfunc = app.blur, stype = integer);
      create table app.secured (id integer);
      alter table app.secured enable row level security;
      create role reader_of_views;
      grant usage, create on schema app to reader_of_views;
      grant select on app.secured to reader_of_views;`,
    );
    for (const [, query, view] of cases) await write(db.sql, viewOf(view, query));
    for (const [what, , view] of cases) {
      if (what !== 'row level security') continue;
      await db.sql.unsafe(`alter materialized view ${view} owner to reader_of_views`);
    }
    const listed = await db.sql`select nightshift.list_refresh_policies() as list`;
    for (const { view, warnings: said } of listed[0]?.list ?? []) warnings[view] = said;
    await runRefresh(db);
    await letPass(db.sql);
    again = await runRefresh(db);
  }, 60_000);
  afterAll(() => db.sql.unsafe('drop schema app cascade; drop role reader_of_views'));

  it.each(cases.filter(([, , view]) => view.includes('untracked')))(
    '%s: it always counts as changed',
    (_, __, view) => {
      expect(outcomes(again)[view]).toBe('refreshed: changed');
      expect(stepOf(again, view).detail).toContain('no counter can tell');
      expect(warnings[view]?.join()).toContain('refreshed every time');
    },
  );

  it.each(cases.filter(([, , view]) => view.includes('.tracked')))(
    '%s: it does not count as changed',
    (_, __, view) => {
      expect(outcomes(again)[view]).toBe('skipped: unchanged');
      expect(warnings[view]).toEqual([]);
    },
  );
});

describe('the age of a view', () => {
  const policyOf = async () => {
    const [row] = await db.sql`
      select extract(epoch from now() - data_as_of)::float as age, last_refreshed_at
      from nightshift.refresh_policies`;
    return row;
  };
  const staleness = async () => {
    const [row] = await db.sql`select nightshift.list_refresh_policies() -> 0 as facts`;
    return row?.facts.stalenessSeconds as number;
  };
  beforeEach(async () => {
    await startAfresh(db.sql);
    await write(db.sql, sources + seen);
    await runRefresh(db);
  });

  it('stays small while nothing changes, without a refresh', async () => {
    await letPass(db.sql, '20 hours');
    expect((await policyOf())?.age).toBeGreaterThan(70_000);
    const before = await policyOf();
    const result = await runRefresh(db);
    expect(outcomes(result)).toEqual({ 'app.seen': 'skipped: unchanged' });
    const after = await policyOf();
    expect(after?.age).toBeLessThan(90);
    expect(after?.last_refreshed_at).toEqual(before?.last_refreshed_at);
    expect(await staleness()).toBeLessThan(90);
  });

  it('is not vouched for past the start of a transaction that is still open', async () => {
    await letPass(db.sql, '20 hours');
    const user = db.connect();
    await user`begin`;
    await user`insert into app.items values (77)`;
    expect(outcomes(await runRefresh(db))).toEqual({ 'app.seen': 'skipped: unchanged' });
    const [row] = await user`
      select data_as_of <= now() - interval '1 minute' as kept from nightshift.refresh_policies`;
    expect(row?.kept).toBe(true);
    await user`commit`;
    await write(user, 'select 1');
    expect(outcomes(await runRefresh(db))).toEqual({ 'app.seen': 'refreshed: changed' });
    expect(await isCurrent(db.sql, 'app.seen')).toBe(true);
  });

  it('makes it stale when such a transaction is older than it may be', async () => {
    await db.sql`select nightshift.alter_refresh_policy('app.seen', '30 seconds')`;
    await letPass(db.sql, '40 seconds');
    const user = db.connect();
    await user.unsafe('begin; select 1');
    expect(outcomes(await runRefresh(db))).toEqual({ 'app.seen': 'refreshed: stale' });
    await user`rollback`;
  });

  it('becomes known when a view below it is looked after from now on, though nothing changes', async () => {
    await write(
      db.sql,
      `create materialized view app.unwatched as select id from app.items;
       create unique index on app.unwatched (id);
       ${viewOf('app.above', 'select id from app.unwatched')}`,
    );
    await runRefresh(db);
    const ageOf = async () => {
      const [row] = await db.sql`
        select data_as_of is not null as known from nightshift.refresh_policies where view_name = 'app.above'`;
      return row?.known;
    };
    expect(await ageOf()).toBe(false);
    await db.sql`select nightshift.add_refresh_policy('app.unwatched')`;
    await letPass(db.sql);
    await runRefresh(db);
    await letPass(db.sql);
    await runRefresh(db);
    expect(await ageOf()).toBe(true);
  });

  it('keeps a view from being refreshed twice within ten seconds, unless it is forced', async () => {
    await write(db.sql, 'insert into app.items values (7)');
    const soon = await runRefresh(db);
    expect(outcomes(soon)).toEqual({ 'app.seen': 'skipped: recent' });
    const { detail } = stepOf(soon, 'app.seen');
    expect(detail).toMatch(
      /; from \S+ UTC on it is again, or at once: POST \/jobs\/view-refresh\/runs with \{"only": \["app\.seen"\], "force": true\}$/,
    );
    expect(onCommandLine(detail)).toMatch(
      /at once: npm run nightshift -- run view-refresh --only app\.seen --force$/,
    );
    expect(outcomes(await runRefresh(db, { force: true }))).toEqual({
      'app.seen': 'refreshed: forced',
    });
    await write(db.sql, 'insert into app.items values (8)');
    await letPass(db.sql, '11 seconds');
    expect(outcomes(await runRefresh(db))).toEqual({ 'app.seen': 'refreshed: changed' });
  });
});
