import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld("Supabase's postgres");
});
afterAll(() => world.drop());

/** Purges one batch of app.orders as the Data API does, in a session that has this search path, once these statements are executed. */
async function purgeAfter(
  statements: string,
  searchPath = '"$user", public',
): Promise<{ purged: number; error?: string }> {
  const { admin, nameRoles } = world;
  const session = postgres(world.adminUrl, { max: 1, onnotice: () => {} });
  await admin.unsafe(nameRoles(statements));
  await world.timesRun();
  try {
    await session`set role service_role`;
    await session`select set_config('search_path', ${searchPath}, false)`;
    const [begun] = await session`
      select nightshift.begin_run('retention-purge', 'cli') -> 'run' as run`;
    const { id, fence } = begun?.run ?? {};
    await session`select nightshift.plan_retention_purge(${id}, ${fence})`;
    await session`select nightshift.measure_retention_backlog(${id}, ${fence}, 'app.orders')`;
    const [row] = await session`
      select (nightshift.purge_batch(${id}, ${fence}, 'app.orders', 1000) #>> '{step,rowsPurged}')::integer as purged`;
    return { purged: row?.purged };
  } catch (error) {
    return { purged: 0, error: (error as Error).message };
  } finally {
    await session.end();
  }
}

beforeEach(() =>
  world.admin.unsafe(`
    drop trigger if exists bait on app.orders; drop schema if exists supabase_functions cascade;
    update nightshift.runs set status = 'lost', finished_at = now() where status = 'running';
    insert into app.orders select n, now() - interval '40 days' from generate_series(1001, 1005) n
    on conflict do nothing`),
);

describe('the function of a trigger', () => {
  const webhook = (security: string) => `
    create schema supabase_functions;
    create function supabase_functions.http_request() returns trigger language plpgsql ${security} as 'begin return old; end';
    alter function supabase_functions.http_request() owner to <mallory>;
    create trigger bait before delete on app.orders for each row execute function supabase_functions.http_request()`;

  it('may belong to Supabase where it runs with rights of its own, as the webhooks do', async () => {
    expect((await purgeAfter(webhook('security definer'))).purged).toBeGreaterThan(0);
  });

  it.each([
    ['with ours', webhook('security invoker')],
    [
      'from a schema of someone else',
      `${webhook('security definer')}; alter schema supabase_functions owner to <mallory>`,
    ],
  ])('may not %s', async (_, statements) => {
    expect(await purgeAfter(statements)).toEqual({
      purged: 0,
      error: expect.stringMatching(
        /^Trigger bait of app.orders calls .*, which belongs to mallory/,
      ),
    });
    expect(await world.timesRun()).toBe(0);
  });
});

describe('the condition of a trigger', () => {
  it.each([
    ['pg_trigger_depth() = 0'],
    [
      "old.note is distinct from 'x' and old.deleted_at < now() and current_setting('a.b', true) is null",
    ],
    ['app.is_old(old.deleted_at) and not app.is_away()'],
  ])('may be %s', async (condition) => {
    const purge = purgeAfter(`
      create or replace function app.is_old(timestamptz) returns boolean language sql stable as 'select $1 < now()';
      create or replace function app.is_away() returns boolean language sql as 'select false';
      create or replace function app.pass() returns trigger language plpgsql as 'begin return old; end';
      alter function app.is_old owner to <owner>; alter function app.is_away owner to <owner>; alter function app.pass owner to <owner>;
      create trigger bait before delete on app.orders for each row when (${condition}) execute function app.pass()`);
    expect((await purge).purged).toBeGreaterThan(0);
  });
});

describe('a deferred trigger that the caller has queued before', () => {
  it.each([
    "purge_batch(gen_random_uuid(), 1, 'app.orders', 1000)",
    "create_partitions(gen_random_uuid(), 1, '{app.events}')",
  ])('is not run by %s', async (call) => {
    const { admin, nameRoles } = world;
    await admin.unsafe(
      nameRoles(`
        drop table if exists mallory.queue;
        set role <mallory>;
        create table mallory.queue (id integer);
        create constraint trigger bait after insert on mallory.queue deferrable initially deferred
          for each row execute function mallory.fire();
        grant insert on mallory.queue to service_role;
        reset role;
        grant usage on schema app to service_role; grant update on app.orders to service_role`),
    );
    const session = postgres(world.adminUrl, { max: 1, onnotice: () => {} });
    await world.timesRun();
    try {
      await session`set role service_role`;
      await session`begin`;
      await session`insert into mallory.queue values (1)`;
      await expect(session.unsafe(`select nightshift.${call}`)).rejects.toMatchObject({
        code: 'NS422',
        detail: expect.stringContaining(world.mallory),
      });
    } finally {
      await session.end();
    }
    expect(await world.timesRun()).toBe(0);
  });
});

describe('a trigger of someone else on a table with soft delete', () => {
  const calls = ["soft_delete('app.orders', '[50]')", "restore('app.orders', '[1]')"];
  it.each(calls)(
    'gains by %s what the caller has, and never the rights of the owner',
    async (call) => {
      const { admin, nameRoles, mallory } = world;
      await admin.unsafe(
        nameRoles(`
        set role <owner>;
        select nightshift.enable_soft_delete('app.orders', views => false);
        grant usage on schema app to service_role; grant select, update on app.orders to service_role;
        reset role;
        grant trigger on app.orders to <mallory>;
        set role <mallory>;
        create table mallory.loot (taken_as text);
        grant insert on mallory.loot to public;
        create function mallory.loot() returns trigger language plpgsql as $$
        begin
          insert into mallory.loot values (current_user);
          perform mallory.mark();
          return new;
        end $$;
        create trigger bait before update on app.orders for each row execute function mallory.loot();
        reset role`),
      );
      const session = postgres(world.adminUrl, { max: 1, onnotice: () => {} });
      await world.timesRun();
      try {
        await session`set role service_role`;
        await session.unsafe(`select nightshift.${call}`);
        expect(await admin`select distinct taken_as from mallory.loot`).toEqual([
          { taken_as: 'service_role' },
        ]);
        expect(await world.timesRun()).toBe(0);
      } finally {
        await session.end();
        await admin.unsafe(
          `drop trigger bait on app.orders; drop function mallory.loot(); drop table mallory.loot;
        select nightshift.disable_soft_delete('app.orders', 'keep');
        revoke trigger on app.orders from ${mallory}`,
        );
      }
    },
  );
});

describe('a function that fits better in a schema of the search path of triggers', () => {
  it.each([
    ['one table', "'{}'"],
    ['a table with its children', "'{app.lines}'"],
  ])('is not called where rows of %s go', async (_, children) => {
    const { purged } = await purgeAfter(`
      grant create on schema public to <mallory>;
      set role <mallory>;
      create or replace function public.jsonb_build_object(oid, bigint) returns jsonb language plpgsql as 'begin perform mallory.mark(); return pg_catalog.jsonb_build_object($1, $2); end';
      create or replace function public.format(text, bigint, text) returns text language plpgsql as 'begin perform mallory.mark(); return pg_catalog.format($1, $2, $3); end';
      create or replace function public.format(text, oid, bigint) returns text language plpgsql as 'begin perform mallory.mark(); return pg_catalog.format($1, $2, $3); end';
      reset role;
      create or replace function app.pass() returns trigger language plpgsql as 'begin return old; end';
      alter function app.pass owner to <owner>;
      create trigger bait before delete on app.orders for each row execute function app.pass();
      set role <owner>;
      select nightshift.alter_retention_policy('app.orders', max_fraction => 1, with_children => ${children});
      reset role`);
    expect(purged).toBeGreaterThan(0);
    expect(await world.timesRun()).toBe(0);
  });
});

describe('a trigger that is put off to the commit', () => {
  const putOff = `
    create or replace function mallory.note() returns boolean language sql as 'select mallory.mark()';
    create or replace function app.tell() returns trigger language plpgsql as 'begin perform note(); return null; end';
    create or replace function public.note() returns boolean language sql as 'select true';
    alter function app.tell() owner to <owner>; alter function public.note() owner to <owner>;
    create constraint trigger bait after delete on app.orders deferrable initially deferred for each row execute function app.tell()`;

  it('finds the search path of triggers, not that of the caller', async () => {
    expect((await purgeAfter(putOff, 'mallory, public')).purged).toBeGreaterThan(0);
    expect(await world.timesRun()).toBe(0);
  });

  it('would have our rights there since Postgres 18', async () => {
    const [row] = await world.admin`
      select pg_get_functiondef('nightshift.delete_rows'::regproc) as definition`;
    const definition: string = row?.definition;
    try {
      await world.admin.unsafe(definition.replace('set constraints all immediate;', ''));
      expect((await purgeAfter(putOff, 'mallory, public')).purged).toBeGreaterThan(0);
      expect((await world.timesRun()) > 0).toBe(world.version >= 18);
    } finally {
      await world.admin.unsafe(definition);
    }
  });
});
