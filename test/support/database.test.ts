import { beforeEach, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from './database.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const leftIn = async () => {
  const [row] = await db.sql`
    select n.oid, n.nspacl as rights, n.nspowner = current_user::regrole as is_own,
      (select count(*)::integer from pg_depend d where d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid) as objects
    from pg_namespace n where n.nspname = 'app'`;
  return row;
};

it.each([
  [
    'tables',
    'create table app.a (id serial primary key); create table app.b (id integer references app.a)',
  ],
  [
    'many of them',
    `do $$ begin for n in 1..60 loop execute format('create table app.t_%s (id serial)', n); end loop; end $$`,
  ],
  [
    'an identity column that came later',
    'create table app.a (); alter table app.a add id integer generated always as identity',
  ],
  [
    'partitions',
    'create table app.a_1 (id integer); create table app.a (id integer) partition by range (id); alter table app.a attach partition app.a_1 default',
  ],
  [
    'views, also in other schemas',
    'create table app.a (id integer); create view public.v as select from app.a; create materialized view app.m as select from app.a',
  ],
  [
    'types',
    `create type app.mood as enum ('sad'); create type app.pair as (a integer, b app.mood); create domain app.short as varchar(5);
     create type app.span as range (subtype = integer); create table app.a (mood app.mood, pair app.pair[], short app.short, span app.span)`,
  ],
  [
    'functions, aggregates and operators',
    `create type app.mood as enum ('sad');
     create function app.same(app.mood, app.mood) returns boolean language sql return true;
     create function app.either(boolean, app.mood) returns boolean language sql return true;
     create procedure app.nothing() language sql as '';
     create aggregate app.all_same(app.mood) (sfunc = app.either, stype = boolean);
     create operator app.=== (leftarg = app.mood, rightarg = app.mood, function = app.same);
     create operator family app.family using btree`,
  ],
  [
    'statistics, collations and text search',
    `create table app.a (x integer, y integer); create statistics app.s on x, y from app.a; create collation app.c from "C";
     create text search configuration app.simple (copy = simple); create text search dictionary app.words (template = simple)`,
  ],
  ['an extension', 'create extension btree_gist schema app'],
  [
    'an event trigger',
    `create function app.f() returns event_trigger language plpgsql as 'begin end'; create event trigger t on ddl_command_end execute function app.f()`,
  ],
  [
    'a trigger and a policy',
    `create table app.a (id integer); create function app.f() returns trigger language plpgsql as 'begin return new; end'; create trigger t before insert on app.a for each row execute function app.f(); create policy p on app.a`,
  ],
])('of the schema app, nothing is left and no plan is lost: %s', async (_, create) => {
  const before = await leftIn();
  await db.sql.unsafe(create);
  await startAfresh(db.sql);
  expect(await leftIn()).toEqual(before);
  expect(before).toMatchObject({ rights: null, is_own: true, objects: 0 });
});

it.each([
  ['a right', 'grant usage on schema app to anon'],
  ['default privileges', 'alter default privileges in schema app grant select on tables to anon'],
  ['another owner', 'alter schema app owner to pg_database_owner'],
  ['a publication', 'create publication p for tables in schema app'],
  ['no schema', 'drop schema app'],
])('the schema app is made anew after %s', async (_, change) => {
  const before = await leftIn();
  await db.sql.unsafe(change);
  await startAfresh(db.sql);
  expect(await leftIn()).toMatchObject({ rights: null, is_own: true, objects: 0 });
  expect((await leftIn())?.oid).not.toBe(before?.oid);
});
