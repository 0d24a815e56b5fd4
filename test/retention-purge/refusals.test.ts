import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql`drop schema if exists rules cascade`;
});

const due = "now() - interval '40 days'";
const createItems = (table = 'app.items') =>
  db.sql.unsafe(`
    create table ${table} (id integer primary key, deleted_at timestamptz, email text);
    insert into ${table} select id, ${due}, 'someone@example.org' from generate_series(1, 5) id;
    create index on ${table} (deleted_at);
    select nightshift.add_retention_policy('${table}', '30 days', max_fraction => 1);
  `);

const refusedBy = async (relation = 'app.items') => {
  const result = await runPurge(db);
  expect(JSON.stringify(result.run)).not.toContain('example.org');
  return stepOf(result, relation).refusedBy;
};

describe('a row that a trigger does not let go', () => {
  it('names the function that the one of the trigger called, and where it was called', async () => {
    await createItems();
    await db.sql.unsafe(`
      create schema rules;
      create function rules.check_row(id integer, email text) returns void language plpgsql as $$
      begin
        if id = 3 then
          raise exception 'open invoice of %', email;
        end if;
      end $$;
      -- The like of it elsewhere, and with other arguments, is not what was called.
      create function app.check_row(id integer, email text) returns void language plpgsql as $$ begin end $$;
      create function rules.check_row(id integer) returns void language plpgsql as $$ begin end $$;
      create function app.guard() returns trigger language plpgsql as $$
      begin
        perform rules.check_row(old.id, old.email);
        return old;
      end $$;
      create trigger guard before delete on app.items for each row execute function app.guard();
    `);
    expect(await refusedBy()).toEqual({
      'trigger guard on app.items (line 4 of rules.check_row(integer,text), called in line 3 of app.guard())': 1,
    });
  });

  it('names the trigger of the partition alone', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer, deleted_at timestamptz, email text) partition by range (id);
      create table app.items_low partition of app.items for values from (1) to (3);
      create table app.items_high partition of app.items for values from (3) to (9);
      insert into app.items select id, ${due}, 'someone@example.org' from generate_series(1, 5) id;
      create index on app.items (deleted_at);
      select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
      create function app."Odd guard"() returns trigger language plpgsql as $$ begin raise exception '%', old.email; end $$;
      create trigger guard before delete on app.items_low for each row when (old.id = 2) execute function app."Odd guard"();
    `);
    expect(await refusedBy()).toEqual({
      'trigger guard on app.items_low (line 1 of app."Odd guard"())': 1,
    });
  });

  it('names the trigger of a child that would have gone with it, which others share their function with', async () => {
    await createItems();
    await db.sql.unsafe(`
      create table app.aliens (id integer);
      create table app.children (item_id integer references app.items, email text);
      insert into app.children select id, 'someone@example.org' from generate_series(1, 5) id;
      create index on app.children (item_id);
      select nightshift.alter_retention_policy('app.items', with_children => array['app.children']);
      create function app.guard() returns trigger language plpgsql as $$ begin raise exception '%', old; end $$;
      create trigger a before delete on app.aliens for each row execute function app.guard();
      create trigger two before delete on app.children for each row when (old.item_id in (2, 4)) execute function app.guard();
      create trigger one before delete on app.children for each row when (old.item_id = 4) execute function app.guard();
    `);
    expect(await refusedBy()).toEqual({
      'trigger one or two on app.children (line 1 of app.guard())': 2,
    });
  });

  it('is told nothing that a statement in the code of the trigger quotes', async () => {
    await createItems();
    await db.sql.unsafe(`
      create function app.guard() returns trigger language plpgsql as $$
      begin
        execute format(e'select %L,\n1 / 0 \nPL/pgSQL function app.someone@example.org() line 1 at x', old.email);
        return old;
      end $$;
      create trigger guard before delete on app.items for each row when (old.id = 1) execute function app.guard();
    `);
    expect(await refusedBy()).toEqual({ 'trigger guard on app.items (line 3 of app.guard())': 1 });
  });
});
