import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listOfViewFacts } from '../../functions/view-refresh/schema.ts';
import { createDatabase, startAfresh, type TestDatabase } from '../support/database.ts';
import { withDirect } from '../support/direct.ts';
import {
  isCurrent,
  letPass,
  outcomes,
  runRefresh,
  stepOf,
  viewOf,
  write,
} from '../support/views.ts';
import { until } from '../support/waiting.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
  await db.sql.unsafe(`
    do $$ begin
      if to_regrole('owner_of_secured') is null then create role owner_of_secured; end if;
    end $$`);
});
afterAll(async () => {
  await db.sql.unsafe('drop schema if exists app cascade; drop role owner_of_secured');
  await db.drop();
});
beforeEach(() => startAfresh(db.sql));

async function refreshOnce(statements: string) {
  await write(db.sql, statements);
  const result = await runRefresh(db);
  await letPass(db.sql);
  return result;
}

async function expectNoticed(change: string) {
  await write(db.sql, change);
  expect(outcomes(await runRefresh(db))['app.seen']).toBe('refreshed: changed');
  expect(await isCurrent(db.sql, 'app.seen')).toBe(true);
}

describe('a change that no counter of its tables shows is noticed', () => {
  it('when row level security no longer hides rows', async () => {
    await refreshOnce(`
      grant usage on schema app to owner_of_secured;
      create table app.secured (id integer);
      insert into app.secured values (1), (2);
      alter table app.secured enable row level security;
      create policy first on app.secured using (id = 1);
      grant select on app.secured to owner_of_secured;
      ${viewOf('app.seen', 'select id from app.secured')}
      alter materialized view app.seen owner to owner_of_secured;`);
    await expectNoticed('alter table app.secured disable row level security');
  });

  it('when a foreign partition is detached', async () => {
    await refreshOnce(`
      create foreign data wrapper nothing;
      create server nowhere foreign data wrapper nothing;
      create table app.parted (id integer) partition by range (id);
      create table app.near partition of app.parted for values from (0) to (10);
      create foreign table app.far partition of app.parted for values from (10) to (20) server nowhere;
      insert into app.near values (1);
      ${viewOf('app.seen', 'select id from app.parted where id < 10')}`);
    await expectNoticed('alter table app.parted detach partition app.far');
    await db.sql.unsafe('drop foreign data wrapper nothing cascade');
  });

  it('when a partition is being detached, and the detaching session was stopped', async () => {
    await refreshOnce(`
      create table app.parted (id integer) partition by range (id);
      create table app.one partition of app.parted for values from (0) to (10);
      create table app.two partition of app.parted for values from (10) to (20);
      insert into app.parted values (1), (11);
      ${viewOf('app.seen', 'select id from app.parted')}`);
    const reader = db.connect();
    await reader`begin`;
    await reader`select from app.parted`;
    const detaching = db.connect();
    const detached = detaching`alter table app.parted detach partition app.two concurrently`.catch(
      (error) => error,
    );
    const pending = async () =>
      (await db.sql`select from pg_inherits where inhdetachpending`).length > 0;
    await until('the detachment is pending', pending);
    await db.sql`
      select pg_cancel_backend(pid) from pg_stat_activity
      where query like 'alter table app.parted detach%' and pid <> pg_backend_pid()`;
    expect(await detached).toMatchObject({ code: '57014' });
    await reader`rollback`;
    await expectNoticed('select 1');
  });

  it.each([
    [
      'a function that a function of the query calls is replaced',
      `create function app.factor() returns integer language sql immutable as 'select 2';
      create function app.scale(n integer) returns integer language plpgsql immutable as 'begin return n * app.factor(); end';
      create table app.items as select 1 as id;`,
      'select app.scale(id) as id from app.items',
      `create or replace function app.factor() returns integer language sql immutable as 'select 3'`,
    ],
    [
      'the time zone of the database is another',
      "create table app.items as select timestamptz '2026-01-01 12:00+00' as at;",
      "select to_char(at, 'HH24') as id from app.items",
      "set timezone = 'Asia/Tokyo'",
    ],
  ])('when %s', async (_, tables, query, change) => {
    await refreshOnce(tables + viewOf('app.seen', query));
    const before = await db.sql`select nightshift.view_state('app.seen') as state`;
    const session = db.connect();
    await session.unsafe(change);
    const [row] = await session`
      select nightshift.what_changed(${before[0]?.state}, nightshift.view_state('app.seen')) as changed`;
    expect(row?.changed).toMatch(/definition/);
  });

  it.each([
    ['the name of a table', 'select tableoid::regclass::text as id from app.items'],
    ['the name of a type', 'select format_type(tableoid, null) as id from app.items'],
    ['a default argument that reads the clock', 'select app.stamped(id) as id from app.items'],
    ['an aggregate made of chance', 'select app.lucky(id) as id from app.items'],
  ])('by refreshing every time what depends on %s', async (_, query) => {
    await refreshOnce(`
      create table app.items as select 1 as id;
      create function app.stamped(n integer, at timestamptz default clock_timestamp()) returns text
        language sql immutable as 'select n || at::text';
      create function app.toss(a integer, b integer) returns integer language sql volatile
        as 'select b + (random() * 10)::integer';
      create aggregate app.lucky(integer) (sfunc = app.toss, stype = integer);
      ${viewOf('app.seen', query)}`);
    const [row] = await db.sql`select nightshift.view_state('app.seen') ->> 'untracked' as why`;
    expect(row?.why).not.toBeNull();
    expect(outcomes(await runRefresh(db))['app.seen']).toBe('refreshed: changed');
  });

  it('when another session refreshes the view from an older snapshot', async () => {
    await refreshOnce(`
      create table app.items (id integer);
      ${viewOf('app.seen', 'select id from app.items')}`);
    const old = db.connect();
    await old`begin isolation level repeatable read`;
    await old`select from app.items`;
    await write(db.sql, 'insert into app.items values (1)');
    expect((await runRefresh(db)).run.status).toBe('succeeded');
    await old`refresh materialized view app.seen`;
    await old`commit`;
    await write(old, 'select 1');
    await letPass(db.sql);
    expect(await isCurrent(db.sql, 'app.seen')).toBe(false);
    await expectNoticed('select 1');
  });
});

describe('views that were dropped and created anew', () => {
  it('are refreshed in the order of what they read', async () => {
    const chain = `
      create materialized view app.b as select id from app.items;
      create unique index on app.b (id);
      create materialized view app.a as select id from app.b;
      create unique index on app.a (id);`;
    await refreshOnce(`
      create table app.items (id integer);
      ${chain} select nightshift.adopt_refresh_policies('app');`);
    await write(db.sql, `drop materialized view app.b cascade; ${chain}`);
    const { report } = await runRefresh(db);
    expect(report.steps.map(({ view, reason }) => `${view} ${reason}`)).toEqual([
      'app.b never',
      'app.a never',
    ]);
  });
});

describe('the age of a view', () => {
  it('is not known while nobody knows that of a view it reads', async () => {
    await refreshOnce(`
      create table app.items (id integer);
      create materialized view app.unknown as select id from app.items;
      ${viewOf('app.seen', 'select id from app.unknown')}`);
    const [row] = await db.sql`select nightshift.list_refresh_policies() as views`;
    expect(listOfViewFacts.parse(row?.views)).toMatchObject([
      { dataAsOf: null, warnings: [expect.stringMatching(/add_refresh_policy\('app.unknown'\)/)] },
    ]);
  });

  it('is that of the data it was made from, even when that is refreshed later', async () => {
    await refreshOnce(`
      create table app.items (id integer);
      ${viewOf('app.up', 'select id from app.items')}
      ${viewOf('app.down', 'select id from app.up')}`);
    await letPass(db.sql, '1 hour');
    await write(db.sql, 'insert into app.items values (1)');
    await runRefresh(db, { only: ['app.down'], force: true });
    await runRefresh(db, { only: ['app.up'] });
    const [row] = await db.sql`select nightshift.list_refresh_policies() as views`;
    const ages = listOfViewFacts
      .parse(row?.views)
      .map(({ view, stalenessSeconds }) => [view, Math.round((stalenessSeconds ?? 0) / 3600)]);
    expect(Object.fromEntries(ages)).toEqual({ 'app.down': 1, 'app.up': 0 });
  });
});

describe('views that swap names', () => {
  it.each([
    ['unchanged', ''],
    ['changed', 'insert into app.items values (9)'],
  ])('while %s keep their policies, and the job goes on', async (_, change) => {
    await refreshOnce(`
      create table app.items (id integer);
      ${viewOf('app.blue', 'select id from app.items')}
      ${viewOf('app.green', 'select id + 1 as id from app.items')}`);
    await write(
      db.sql,
      `alter materialized view app.blue rename to passing;
      alter materialized view app.green rename to blue;
      alter materialized view app.passing rename to green; ${change}`,
    );
    const result = await runRefresh(db);
    expect(result.run.status).toBe('succeeded');
    expect(result.report.steps).toHaveLength(2);
    expect(await isCurrent(db.sql, 'app.blue')).toBe(true);
    expect(await isCurrent(db.sql, 'app.green')).toBe(true);
  });
});

describe('what a query or its functions say', () => {
  it.each([
    ['a name from a row', "select name::regclass::text as id from (values ('secret_row')) v(name)"],
    ['an error of our own kind', "select app.complain('NS409') as id"],
    ['an error of a connection', "select app.complain('08001') as id"],
  ])('reaches no report and stops no other view: %s', async (_, query) => {
    await write(
      db.sql,
      `create function app.complain(state text) returns integer language plpgsql as $$
      begin
        if (select failing from app.mood) then
          raise exception using errcode = state, message = 'about secret_row';
        end if;
        return 1;
      end $$;
      create table app.mood as select true as failing;
      create materialized view app.bad as ${query} with no data;
      create unique index on app.bad (id);
      select nightshift.add_refresh_policy('app.bad', allow_blocking => true);
      create table app.items (id integer);
      ${viewOf('app.good', 'select id from app.items')}`,
    );
    const result = await runRefresh(db);
    expect(outcomes(result)).toMatchObject({ 'app.good': 'refreshed: never' });
    expect(stepOf(result, 'app.bad').error).toMatchObject({ code: 'NS422' });
    const ledger = await db.sql`select to_jsonb(r)::text as row from nightshift.runs r`;
    expect(JSON.stringify([result, ledger])).not.toContain('secret_row');
  });
});

describe('rights', () => {
  it('are not given by a policy', async () => {
    await write(
      db.sql,
      `create table app.items (id integer);
      create materialized view app.seen as select id from app.items;
      create unique index on app.seen (id);`,
    );
    const declared = db.sql.begin(async (transaction) => {
      await transaction`set local role service_role`;
      await transaction`
        select nightshift.add_refresh_policy((select oid from pg_class where relname = 'seen')::regclass)`;
    });
    await expect(declared).rejects.toMatchObject({
      code: 'NS422',
      message: expect.stringMatching(/service_role may not refresh/),
    });
    expect(await db.sql`select from nightshift.refresh_policies`).toHaveLength(0);
  });
});

describe('a direct connection', () => {
  it('sets its own time limit, whatever the role has, and needs no client to commit', async () => {
    await refreshOnce(`
      create table app.items (id integer);
      ${viewOf('app.seen', 'select id, pg_sleep(0.4)::text as slept from app.items')}`);
    await write(db.sql, 'insert into app.items values (1)');
    await db.sql`
      insert into nightshift.view_refreshes (view, view_name, status, mode, reason, detail, started_at, duration_ms)
      values ('app.seen', 'app.seen', 'refreshed', 'concurrently', 'changed', '', now(), 30000)`;
    const url = new URL(db.url);
    url.searchParams.set('options', '-c statement_timeout=200');
    const result = await withDirect(url.href, (direct) =>
      runRefresh(db, {}, { direct, deadline: { remainingMs: () => 120_000 } }),
    );
    expect(stepOf(result, 'app.seen')).toMatchObject({ status: 'refreshed', transport: 'direct' });
  });
});
