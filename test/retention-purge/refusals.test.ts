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

describe('rows that a trigger does not let go', () => {
  const items = 'app.items';
  const createMany = (rows: number, refuses: string) =>
    db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz, touched integer not null default 0);
      insert into app.items select id, ${due} from generate_series(1, ${rows}) id;
      create index on app.items (deleted_at);
      select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
      create function app.guard() returns trigger language plpgsql as $$
      begin
        if ${refuses} then raise exception 'on hold'; end if;
        return old;
      end $$;
      create trigger guard before delete on app.items for each row execute function app.guard();
    `);

  it.each([
    ['first', 'old.id <= 60'],
    ['last', 'old.id > 40'],
  ])('are many, and come %s, and the others go', async (_, refuses) => {
    await createMany(100, refuses);
    expect(stepOf(await runPurge(db), items)).toMatchObject({
      status: 'partial',
      rowsPurged: 40,
      rowsRefused: 60,
      rowsLeft: 60,
    });
  });

  it('are looked for among others without asking anew after each what refers to them', async () => {
    await createMany(200, 'old.id % 3 = 0');
    await db.sql.unsafe(`create sequence app.looks`);
    await countLooks('app.looks', async () => {
      expect(stepOf(await runPurge(db), items)).toMatchObject({ rowsPurged: 134, rowsRefused: 66 });
    });
    const [looks] = await db.sql`select last_value::integer as n from app.looks`;
    expect(looks?.n).toBeLessThan(40);
  });

  it('are not those that go only together, where others are refused', async () => {
    await createMany(60, 'old.id in (11, 30)');
    await db.sql.unsafe(`
      create function app.balance() returns trigger language plpgsql as $$
      begin
        if exists (select from app.items i where (i.id + 1) / 2 = (old.id + 1) / 2) then raise exception 'unbalanced'; end if;
        return null;
      end $$;
      create constraint trigger balance after delete on app.items deferrable initially deferred
        for each row execute function app.balance();
    `);
    expect(stepOf(await runPurge(db), items)).toMatchObject({ rowsPurged: 56, rowsRefused: 4 });
  });

  it('are each counted once, where there is no time for all at once and what goes changes those that wait', async () => {
    await createMany(150, 'old.id % 2 = 0 and pg_sleep(0.03) is not null');
    await db.sql.unsafe(`
      create function app.touch() returns trigger language plpgsql as
        $$ begin update app.items set touched = touched + 1 where id between old.id - 3 and old.id + 3; return null; end $$;
      create trigger touch after delete on app.items for each row execute function app.touch();
    `);
    expect(stepOf(await runPurge(db), items)).toMatchObject({
      rowsPurged: 75,
      rowsRefused: 75,
      rowsUndecided: 0,
      rowsLeft: 75,
    });
  });

  it.each([
    [31, true, false],
    [32, true, true],
    [9_999, false, false],
    [10_000, false, true],
  ])(
    'are %i without one that went, at the end of the table (%s), and it fails: %s',
    async (refused, finished, fails) => {
      await createMany(1, 'false');
      const ask = (rowsPurged: number) => db.sql`
      select nightshift.require_not_all_refused('app.items',
        ${db.sql.json({ rowsPurged, rowsRefused: refused, refusedBy: { 'trigger guard': refused } })}, ${finished})`;
      await expect(ask(1)).resolves.toHaveLength(1);
      const asked = ask(0);
      await (fails
        ? expect(asked).rejects.toMatchObject({
            code: 'NS422',
            message: /app\.items.*trigger guard/,
          })
        : expect(asked).resolves.toHaveLength(1));
    },
  );

  it('are tried without what a child of theirs would go with by another policy', async () => {
    await db.sql.unsafe(`
      create table app.topics (id integer primary key, deleted_at timestamptz);
      create table app.shelves (id integer primary key, deleted_at timestamptz);
      create table app.notes (topic_id integer references app.topics, shelf_id integer references app.shelves);
      create index on app.topics (deleted_at);
      create index on app.shelves (deleted_at);
      create index on app.notes (topic_id);
      create index on app.notes (shelf_id);
      insert into app.topics values (1, ${due});
      insert into app.shelves values (1, ${due});
      insert into app.notes values (1, 1);
      select nightshift.add_retention_policy('app.topics', '30 days', max_fraction => 1, with_children => array['app.notes']);
      select nightshift.add_retention_policy('app.shelves', '30 days', max_fraction => 1, with_children => array['app.notes']);
    `);
    const needed = await db.sql`
      select distinct n.relation::regclass::text as relation
      from unnest(nightshift.find_needed_with(
        array[
          row('app.topics'::regclass, 'app.topics'::regclass, true, '{"(0,1)"}'),
          row('app.shelves'::regclass, 'app.shelves'::regclass, true, '{"(0,1)"}'),
          row('app.topics'::regclass, 'app.notes'::regclass, false, '{"(0,1)"}'),
          row('app.shelves'::regclass, 'app.notes'::regclass, false, '{"(0,1)"}')
        ]::nightshift.row_set[],
        array[row('app.topics'::regclass, 'app.topics'::regclass, true, '{"(0,1)"}')]::nightshift.row_set[],
        array(select k from nightshift.purge_keys(array['app.topics'::regclass::oid, 'app.shelves'::regclass::oid]) k)
      )) n order by relation`;
    expect(needed.map(({ relation }) => relation)).toEqual(['app.notes', 'app.topics']);
  });

  it('keep what they refer to, which the trigger is not said to refuse', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz, reply_to integer references app.items);
      insert into app.items select id, ${due}, nullif(id - 1, 0) from generate_series(1, 4) id;
      create index on app.items (deleted_at);
      create index on app.items (reply_to);
      select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
      create function app.guard() returns trigger language plpgsql as $$ begin raise exception 'on hold'; end $$;
      create trigger guard before delete on app.items for each row when (old.id = 3) execute function app.guard();
    `);
    expect(stepOf(await runPurge(db), items)).toMatchObject({
      rowsPurged: 1,
      rowsRefused: 1,
      rowsBlocked: 2,
    });
  });
});

/** Takes a number of the sequence each time a batch asks which rows may go. */
async function countLooks(sequence: string, run: () => Promise<void>): Promise<void> {
  const [found] = await db.sql`
    select oid::regprocedure::text as signature, pg_get_function_arguments(oid) as arguments
    from pg_proc where proname = 'resolve_references' and pronamespace = 'nightshift'::regnamespace`;
  await db.sql.unsafe(`
    alter function ${found?.signature} rename to resolve_references_uncounted;
    create function nightshift.resolve_references(${found?.arguments}) language plpgsql set search_path = pg_catalog, pg_temp as $$
    begin
      perform nextval('${sequence}');
      select r.* into rows_to_delete, held, released, reached, complete, ahead
      from nightshift.resolve_references_uncounted(run, seeds, component, locking, max_rows, known_keys) r;
    end $$;
  `);
  try {
    await run();
  } finally {
    await db.sql.unsafe(`
      drop function ${found?.signature};
      alter function ${found?.signature.replace('(', '_uncounted(')} rename to resolve_references;
    `);
  }
}
