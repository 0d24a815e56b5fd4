import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase } from '../support/database.ts';

const db = setUpDatabase();

beforeAll(async () => {
  await db.sql.unsafe(`
    create schema app;
    create table app.orders (id integer primary key, "the ""state""" text, at timestamptz default now());
    insert into app.orders select n, 'open' from generate_series(1, 1000) n;
    create view app.open_orders as select id from app.orders;
    create sequence app.numbers;
    create function app.volatile() returns integer language plpgsql as $$ begin delete from app.orders; return 1; end $$;
    create function app.liar() returns integer language plpgsql stable as $$ begin return app.volatile(); end $$;
    create function app.stable(n integer) returns integer language sql stable as 'select n + 1';
    create function app.hidden() returns integer language sql stable begin atomic; select app.volatile(); end;
    create view app.hiding as select app.volatile() as n from app.orders;
    create role key_query_stranger;
    grant create, usage on schema app to key_query_stranger;
    set role key_query_stranger;
    create table app.strange (id integer);
    create function app.strange_function() returns integer language sql stable as 'select 1';
    create type app.strange_type as enum ('a');
    create operator app.=== (leftarg = integer, rightarg = integer, function = pg_catalog.int4eq);
    reset role;
    grant select on app.strange to public;
    create table app.parent (id integer);
    create table app.child () inherits (app.parent);
    create table app."strange child" () inherits (app.child);
    alter table app."strange child" owner to key_query_stranger;
    create view app.of_strange as select id from app.strange;
  `);
});
afterAll(() =>
  db.sql.unsafe('drop owned by key_query_stranger cascade; drop role key_query_stranger'),
);
beforeEach(() => db.sql`delete from nightshift.key_queries`);

const add = async (sql: string, name = 'orders', max = 100) => {
  const [row] =
    await db.sql`select nightshift.add_key_query(${name}, ${sql}, ${max}::numeric) as query`;
  return row?.query;
};

/** What a refused query says; nothing is declared, no row has gone, and no view is left. */
async function refused(sql: string, name?: string, max?: number) {
  const error = await add(sql, name, max).then(
    () => undefined,
    (thrown: { code: string; message: string; hint: string }) => thrown,
  );
  expect(await db.sql`select * from nightshift.key_queries`).toEqual([]);
  expect(await db.sql`select count(*)::integer as n from app.orders`).toEqual([{ n: 1000 }]);
  expect(await db.sql`select last_value, is_called from app.numbers`).toMatchObject([
    { is_called: false },
  ]);
  expect(await db.sql`select to_regclass('nightshift.key_query_looked_at') as left`).toEqual([
    { left: null },
  ]);
  expect(error).toMatchObject({ code: 'NS422' });
  expect(error?.hint).toBeTruthy();
  return `${error?.message} ${error?.hint}`;
}

describe('a key query is taken that', () => {
  it.each([
    ['counts', 'select count(*) from app.orders'],
    ['ends in a semicolon', '  select count(*) from app.orders ;\n'],
    ['ends in a comment', 'select id from app.orders -- ; delete from app.orders'],
    ['has names in quotes', `select "the ""state""" from app.orders where "the ""state""" = ';'`],
    ['has a part with a name', 'with o as (select * from app.orders) select * from o'],
    ['gives two columns one name', 'select count(*), count(*) from app.orders'],
    ['is a table', 'table app.orders'],
    ['reads a view', 'select * from app.open_orders where id = 3'],
    ['reads catalogs', 'select relname from pg_class'],
    ['calls a stable function', 'select app.stable(id) from app.orders'],
    [
      'aggregates in order',
      'select percentile_cont(0.5) within group (order by id) from app.orders',
    ],
    ['goes by the day', "select * from app.orders where at >= date_trunc('month', now())"],
  ])('%s', async (_, sql) => {
    expect(await add(sql)).toMatchObject({ name: 'orders', maxMs: 100 });
    const [row] = await db.sql`select nightshift.list_key_queries() as list`;
    expect(row?.list).toMatchObject([{ sql: sql.trim().replace(/ ;$/, '') }]);
  });
});

describe('a key query is refused that', () => {
  it.each([
    ['is two statements', 'select 1; select 2', /more than one statement/],
    ['deletes behind a semicolon', 'select 1; delete from app.orders', /more than one statement/],
    ['closes a bracket', 'select 1) q; delete from app.orders; select (1', /syntax error/],
    ['goes on in a comment', 'select 1; /* */ delete from app.orders --', /more than one/],
    ['leaves a comment open', 'select 1 /*', /unterminated/],
    ['leaves a quote open', "select 'a", /unterminated/],
    ['deletes', 'delete from app.orders', /syntax error.*one SELECT/],
    ['deletes and answers', 'delete from app.orders returning id', /syntax error/],
    [
      'deletes in a part',
      'with d as (delete from app.orders returning id) select * from d',
      /WITH/,
    ],
    ['makes a table', 'select * into app.copy from app.orders', /INTO/],
    ['locks rows', 'select * from app.orders for update', /locks rows.*FOR UPDATE/],
    ['locks rows inside', 'select * from (select * from app.orders for share) o', /locks rows/],
    ['explains', 'analyze select 1', /syntax error/],
    ['passes options to explain', '(analyze) delete from app.orders', /syntax error/],
    ['is a command', 'vacuum app.orders', /syntax error/],
    ['begins a block', 'do $$ begin delete from app.orders; end $$', /syntax error/],
    ['calls', 'call app.volatile()', /syntax error/],
    ['counts on', "select nextval('app.numbers')", /nextval\(regclass\), which is volatile/],
    ['waits', 'select pg_sleep(100)', /pg_sleep.*stable or immutable/],
    ['sets', "select set_config('transaction_read_only', 'off', true)", /set_config.*volatile/],
    [
      'runs a text',
      "select query_to_xml('delete from app.orders', true, true, '')",
      /query_to_xml/,
    ],
    ['reads a whole schema', "select schema_to_xml('app', true, true, '')", /does not name/],
    [
      'reads by a name',
      'select table_to_xml(id::regclass, true, true, null) from app.orders',
      /does not name/,
    ],
    ['ends sessions', 'select pg_terminate_backend(pid) from pg_stat_activity', /pg_terminate/],
    ['writes by a function', 'select app.volatile()', /alter function app\.volatile\(\) stable/],
    ['does so in a function', 'select app.hidden()', /app\.volatile\(\), which is volatile/],
    ['does so in a view', 'select * from app.hiding', /app\.volatile\(\), which is volatile/],
    ['reads what is another’s', 'select * from app.strange', /app\.strange belongs to key_query_/],
    ['does so in a view of ours', 'select * from app.of_strange', /app\.strange belongs to/],
    ['reads what inherits from ours', 'select * from app.parent', /strange child" belongs to key/],
    ['calls what is another’s', 'select app.strange_function()', /strange_function\(\), which bel/],
    ['casts to what is another’s', "select 'a'::app.strange_type", /type app\.strange_type, which/],
    ['compares by what is another’s', 'select 1 operator(app.===) 1', /operator.*===.*belongs to/],
    ['has no schema', 'select * from orders', /"orders" does not exist Write each name with its/],
    [
      'calls what is not there',
      'select nothing(1)',
      /nothing\(integer\) does not exist Write each/,
    ],
    ['has a parameter', 'select * from app.orders where id = $1', /\$1 .*typical value/],
    ['has a wrong literal', "select 'x'::integer", /invalid input syntax/],
    ['is empty', ' ; ', /There is no query/],
    ['is too long', `select 1 -- ${'x'.repeat(10_000)}`, /view of it/],
  ])('%s', async (_, sql, says) => {
    expect(await refused(sql)).toMatch(says);
  });

  it.each([
    ['Orders'],
    ['a b'],
    ["'; drop"],
    ['"a"'],
    ['<img src=x>'],
    ['1st'],
    [''],
    ['x'.repeat(64)],
  ])('is named %j', async (name) => {
    expect(await refused('select 1', name)).toMatch(/lower-case letters/);
  });

  it.each([[0], [-1], [3001], [Number.NaN]])('may take %d ms', async (max) => {
    expect(await refused('select 1', 'orders', max)).toMatch(/at most 3000/);
  });
});

describe('declared', () => {
  it('shows how it is planned, and can be changed and removed', async () => {
    const sql = 'select * from app.orders where id = 3';
    expect((await add(sql)).plan).toBe('Index Scan using app.orders_pkey on app.orders');
    await expect(add(sql)).rejects.toMatchObject({ code: 'NS422', hint: /alter_key_query/ });
    await db.sql`
      insert into nightshift.key_query_times (query, measured_at, runs, min_ms, median_ms)
      values ('orders', now(), 5, 1, 1)`;
    const times = () => db.sql`select from nightshift.key_query_times`;
    await db.sql`select nightshift.alter_key_query('orders', max_ms => 7)`;
    expect(await times()).toHaveLength(1);
    await db.sql`select nightshift.alter_key_query('orders', 'select 1')`;
    expect(await times()).toHaveLength(0);
    await expect(
      db.sql`select nightshift.alter_key_query('orders', 'select 1; select 2')`,
    ).rejects.toMatchObject({ code: 'NS422' });
    const [removed] = await db.sql`select nightshift.remove_key_query('orders') as query`;
    expect(removed?.query).toEqual({ name: 'orders', sql: 'select 1', maxMs: 7 });
    for (const call of [
      "remove_key_query('orders')",
      "alter_key_query('orders')",
      'remove_key_query(null)',
    ]) {
      await expect(db.sql.unsafe(`select nightshift.${call}`)).rejects.toMatchObject({
        code: 'NS404',
        hint: /add_key_query/,
      });
    }
  });

  it('can be so by the owner alone, whoever holds a key', async () => {
    const may = await db.sql`
      select p.proname from pg_proc p, unnest(array['service_role', 'nightshift_runner', 'anon', 'authenticated']) role
      where p.pronamespace = 'nightshift'::regnamespace and p.proname ~ '^(add|alter|remove|list)_key_quer'
        and has_function_privilege(role, p.oid, 'execute')`;
    expect(may).toEqual([]);
  });
});
