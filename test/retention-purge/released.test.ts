import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const due = (id = 'id') => `now() - interval '40 days' + ${id} * interval '1 second'`;

/** Ninety due rows on many pages, a third of them held by a row of another table, each with a reference that is released. */
async function createNodes(referenceOf: string): Promise<void> {
  await db.sql.unsafe(`
    create table app.nodes (
      id integer primary key, buddy integer, deleted_at timestamptz, filler text default repeat('x', 1500)
    );
    create table app.notes (id integer primary key, node_id integer references app.nodes);
    insert into app.nodes select id, ${referenceOf}, ${due()} from generate_series(1, 90) id;
    alter table app.nodes add foreign key (buddy) references app.nodes on delete set null;
    insert into app.notes select id, id from generate_series(3, 90, 3) id;
    create index on app.nodes (deleted_at);
    create index on app.nodes (buddy);
    create index on app.notes (node_id);
    analyze app.nodes;
    select nightshift.add_retention_policy('app.nodes', '30 days', max_fraction => 1, release => array['app.nodes(buddy)']);
  `);
}
const held = range(1, 30).map((n) => 3 * n);

describe('a due row that moves, because its reference is released', () => {
  it.each([
    ['to a row that goes later', 'id % 90 + 1'],
    ['to a row that went before', 'case when id > 1 then id - 1 end'],
    ['to the other end of the table', '91 - id'],
  ])('is counted once: %s', async (_, referenceOf) => {
    await createNodes(referenceOf);
    const dry = await runPurge(db, { dryRun: true }, { batchRows: 7 });
    const real = await runPurge(db, {}, { batchRows: 7 });
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.nodes')).toMatchObject({
        rowsPurged: 60,
        rowsBlocked: 30,
        blockedBy: { 'notes_node_id_fkey on app.notes': 30 },
      });
    }
    expect(stepOf(real, 'app.nodes').released).toEqual(stepOf(dry, 'app.nodes').released);
    expect(await idsOf(db.sql, 'app.nodes')).toEqual(held);
  });

  it('is counted once where an index gives the way', async () => {
    await createNodes('id % 90 + 1');
    await db.sql`insert into app.nodes select id from generate_series(1000, 9000) id`;
    await db.sql`vacuum analyze app.nodes`;
    const dry = await runPurge(db, { dryRun: true }, { batchRows: 7 });
    const real = await runPurge(db, {}, { batchRows: 7 });
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.nodes')).toMatchObject({ rowsPurged: 60, rowsBlocked: 30 });
    }
  });

  it('is decided all the same where it moves to pages that the run has read already', async () => {
    await createNodes('91 - id');
    await db.sql`delete from app.notes`;
    const result = await runPurge(
      db,
      {},
      { batchRows: 7, beforeBatch: () => db.sql`vacuum app.nodes` },
    );
    expect(stepOf(result, 'app.nodes')).toMatchObject({
      status: 'succeeded',
      rowsPurged: 90,
      rowsLeft: 0,
    });
  });

  it('waits for others that have moved, or for the end of the walk, and is no batch by itself', async () => {
    await createNodes('case when id % 7 = 0 then 91 - id end');
    await db.sql`delete from app.notes`;
    const result = await runPurge(
      db,
      {},
      { batchRows: 7, beforeBatch: () => db.sql`vacuum app.nodes` },
    );
    expect(stepOf(result, 'app.nodes')).toMatchObject({ rowsPurged: 90, rowsLeft: 0 });
    expect(stepOf(result, 'app.nodes').batches).toBeLessThan(16);
  });

  it('is no longer counted as released when it goes itself', async () => {
    await createNodes('91 - id');
    await db.sql`delete from app.notes where id <= 45`;
    const dry = await runPurge(db, { dryRun: true }, { batchRows: 7 });
    const real = await runPurge(db, {}, { batchRows: 31 });
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.nodes')).toMatchObject({
        rowsPurged: 75,
        rowsBlocked: 15,
        released: { 'app.nodes': 15 },
      });
    }
  });

  it('is not counted as released either when it goes in the turn of its own table, many at once', async () => {
    await db.sql.unsafe(`
      create table app.a_users (id integer primary key, deleted_at timestamptz);
      create table app.b_audit (
        id integer primary key, user_id integer references app.a_users on delete set null, at timestamptz
      );
      insert into app.a_users select id, ${due()} from generate_series(1, 100) id;
      insert into app.b_audit select id, 1 + id % 100, case when id <= 4000 then ${due()} end from generate_series(1, 4500) id;
      create index on app.a_users (deleted_at); create index on app.b_audit (user_id); create index on app.b_audit (at);
      analyze app.a_users, app.b_audit;
      select
        nightshift.add_retention_policy('app.a_users', '30 days', max_fraction => 1, release => array['app.b_audit']),
        nightshift.add_retention_policy('app.b_audit', '30 days', 'at', max_fraction => 1);
    `);
    const dry = await runPurge(db, { dryRun: true });
    const real = await runPurge(db);
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.a_users').released).toEqual({ 'app.b_audit': 500 });
      expect(stepOf(result, 'app.b_audit').rowsPurged).toBe(4_000);
    }
  });

  it('keeps what is known of it, of two tables in a circle', async () => {
    await db.sql.unsafe(`
      create table app.teams (id integer primary key, lead integer, deleted_at timestamptz);
      create table app.people (id integer primary key, team integer, mentor integer, deleted_at timestamptz);
      create table app.badges (id integer primary key, person integer references app.people);
      insert into app.people
      select id, case when id % 2 = 0 then id / 2 end, id + 1, ${due()} from generate_series(1, 40) id;
      insert into app.teams select id, 2 * id, ${due()} from generate_series(1, 20) id;
      update app.people set mentor = null where id = 40;
      insert into app.badges select id, id from generate_series(2, 40, 4) id;
      alter table app.people
        add foreign key (team) references app.teams, add foreign key (mentor) references app.people on delete set null;
      alter table app.teams add foreign key (lead) references app.people;
      create index on app.teams (deleted_at); create index on app.people (deleted_at);
      create index on app.people (team); create index on app.people (mentor);
      create index on app.teams (lead); create index on app.badges (person);
      analyze app.teams, app.people;
      select
        nightshift.add_retention_policy('app.teams', '30 days', max_fraction => 1),
        nightshift.add_retention_policy('app.people', '30 days', max_fraction => 1,
          release => array['app.people(mentor)'], keep => array['app.badges']);
    `);
    const dry = await runPurge(db, { dryRun: true }, { batchRows: 3 });
    const real = await runPurge(db, {}, { batchRows: 3 });
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.people')).toMatchObject({
        rowsPurged: 30,
        rowsBlocked: 0,
        rowsKept: 10,
        released: { 'app.people': 10 },
      });
      expect(stepOf(result, 'app.teams')).toMatchObject({
        rowsPurged: 10,
        rowsBlocked: 0,
        rowsKept: 10,
      });
    }
  });

  it('is still found by a batch that is halved because of a row that cannot go', async () => {
    await createNodes('91 - id');
    await db.sql.unsafe(`
      delete from app.notes;
      create function app.guard() returns trigger language plpgsql as
        $$ begin if old.id = 88 then raise exception 'legal hold'; end if; return old; end $$;
      create trigger g before delete on app.nodes for each row execute function app.guard();
    `);
    expect(stepOf(await runPurge(db), 'app.nodes')).toMatchObject({
      rowsPurged: 89,
      rowsRefused: 1,
      refusedBy: { 'trigger g on app.nodes (line 1 of app.guard())': 1 },
    });
    expect(await idsOf(db.sql, 'app.nodes')).toEqual([88]);
  });
});

describe('due rows that a trigger of the application moves', () => {
  it('go, also with a batch that is halved', async () => {
    await db.sql.unsafe(`
      create table app.steps (id integer primary key, place integer, deleted_at timestamptz);
      insert into app.steps select id, id, ${due()} from generate_series(1, 40) id;
      create index on app.steps (deleted_at);
      create function app.close_up() returns trigger language plpgsql as $$
        begin
          if old.id = 20 then raise exception 'legal hold'; end if;
          update app.steps set place = place - 1 where place > old.place;
          return null;
        end $$;
      create trigger close_up after delete on app.steps for each row execute function app.close_up();
      select nightshift.add_retention_policy('app.steps', '30 days', max_fraction => 1);
    `);
    expect(stepOf(await runPurge(db), 'app.steps')).toMatchObject({
      rowsPurged: 39,
      rowsRefused: 1,
    });
    expect(await idsOf(db.sql, 'app.steps')).toEqual([20]);
  });
});
