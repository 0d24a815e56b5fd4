import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { idsOf } from '../support/rows.ts';

/** What a hostile reader found: rows left without a parent, values no longer unique, deletions that no history has. */
const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    delete from nightshift.soft_delete_tables;
    truncate nightshift.deletion_events;
    create table app.projects (id integer primary key);
    create table app.tasks (id integer primary key, project_id integer references app.projects, title text);
    insert into app.projects values (1), (2);
    insert into app.tasks values (1, 1), (2, 2);
    select nightshift.enable_soft_delete('app.tasks', for_users => true);
    select nightshift.enable_soft_delete('app.projects', cascade => array['app.tasks'], for_users => true);
  `);
});

async function call(expression: string, sql = db.sql) {
  const [row] = await sql.unsafe(`select nightshift.${expression} as answer`);
  return row?.answer;
}
const asUser = <Answer>(run: (sql: typeof db.sql) => Promise<Answer>) =>
  db.sql.begin(async (sql) => {
    await sql`set local role authenticated`;
    return run(sql as unknown as typeof db.sql);
  });
const deletedTasks = () => idsOf(db.sql, 'app.tasks where deleted_at is not null');

describe('a user from whom row level security hides', () => {
  beforeEach(() =>
    db.sql.unsafe(`
      alter table app.projects enable row level security;
      alter table app.tasks enable row level security;
      create policy live on app.projects to authenticated using (deleted_at is null);
      create policy own on app.tasks to authenticated using (id = 1);
      grant usage on schema app to authenticated;
      grant select, update, insert on app.projects, app.tasks to authenticated;
      create table app.bills (project_id integer references app.projects on delete restrict);
      insert into app.bills values (2);
      select nightshift.soft_delete('app.projects', '[1]');
    `),
  );

  it('a deleted parent brings no row back to it', async () => {
    const answer = await asUser((sql) => call(`restore('app.tasks', '[1]')`, sql));
    expect(answer).toMatchObject({ restored: 0, failed: [{ key: 1, code: 'NS409' }] });
    expect(await deletedTasks()).toEqual([1]);
  });

  it.each([
    `select * from nightshift.restricting_rows('app.projects', '[{"id": 2}]', '{}')`,
    `select * from nightshift.hold_parents('app.tasks', '[{"id": 2}]')`,
    `select nightshift.deleted_parent('app.tasks', '[{"id": 1}]')`,
  ])('rows learns nothing of them by %s', async (statement) => {
    await expect(asUser((sql) => sql.unsafe(statement))).rejects.toMatchObject({ code: 'NS403' });
  });

  it('a row locks no parent of it', async () => {
    await db.sql.unsafe(`select nightshift.soft_delete('app.tasks', '[2]')`);
    const user = db.connect();
    await user`begin`;
    await user`set local role authenticated`;
    await user`savepoint before`;
    await user`select nightshift.restore_keys('app.tasks', '[2]', 'skip', null, null)`;
    await db.sql`select from app.projects where id = 2 for update nowait`;
    await user`rollback`;
  });
});

describe('what was unique', () => {
  it('stays so when soft delete ends', async () => {
    await db.sql.unsafe(`
      create table app.books (id integer primary key, isbn text, area text, unique nulls not distinct (isbn, area));
      select nightshift.enable_soft_delete('app.books', unique_among_active => array['isbn, area']);
      insert into app.books values (1, 'a', null);
    `);
    const { done } = await call(`disable_soft_delete('app.books')`);
    expect(done).toContain('create unique index on app.books (isbn, area) NULLS NOT DISTINCT;');
    await expect(db.sql`insert into app.books values (2, 'a', null)`).rejects.toMatchObject({
      code: '23505',
    });
  });

  it('stays so until the index of a large table is built, whatever its name', async () => {
    await db.sql.unsafe(`
      create table app."order items" (id integer primary key, sku text unique, pad text);
      insert into app."order items" select n, 's' || n, repeat('x', 1000) from generate_series(1, 12000) n;
      select nightshift.enable_soft_delete('app."order items"', unique_among_active => array['sku']);
    `);
    await expect(
      db.sql`insert into app."order items" (id, sku) values (20001, 's1')`,
    ).rejects.toMatchObject({ code: '23505' });
  });
});

it('builds no index of a large partitioned table in the transaction that adds its columns', async () => {
  await db.sql.unsafe(`
    create table app.logs (id integer primary key, pad text) partition by range (id);
    create table app.logs_1 partition of app.logs for values from (0) to (100000);
    insert into app.logs select n, repeat('x', 1000) from generate_series(1, 12000) n;
  `);
  const { toDo } = await call(`enable_soft_delete('app.logs')`);
  expect(toDo).toMatchObject([
    {
      statement: expect.stringMatching(/^create index on app.logs /),
      lock: expect.stringContaining('SHARE'),
    },
  ]);
});

it('has a key that a restore changes refused', async () => {
  await call(`soft_delete('app.projects', '[1]')`);
  await expect(
    call(`restore('app.tasks', '[1]', overrides => '{"id": 100}')`),
  ).rejects.toMatchObject({
    code: 'NS422',
    message: 'id is of the primary key of app.tasks, by which the row is known',
  });
});

it('has every deletion of a transaction in the history', async () => {
  await db.sql.unsafe(`
    insert into app.tasks values (3, 2), (4, 2), (5, 2);
    do $$ begin
      update app.tasks set deleted_at = now() where id = 3;
      update app.tasks set deleted_at = now() where id in (3, 4, 5);
    end $$;
  `);
  expect(
    await db.sql`select rows::integer, keys from nightshift.deletion_events where action = 'delete' order by id`,
  ).toEqual([
    { rows: 1, keys: [3] },
    { rows: 2, keys: [4, 5] },
  ]);
});

describe('a restore', () => {
  beforeEach(() =>
    db.sql.unsafe(`
      create table app.nodes (id integer primary key, up integer references app.nodes, slug text);
      select nightshift.enable_soft_delete('app.nodes', unique_among_active => array['slug']);
      select nightshift.enable_soft_delete('app.nodes', cascade => array['app.nodes']);
      insert into app.nodes values (3, null, 'c'), (1, 3, 'a'), (2, 3, 'b');
      select nightshift.soft_delete('app.nodes', '[3]');
      insert into app.nodes values (9, null, 'b');
    `),
  );

  it('tries what belongs to a row again once that is back', async () => {
    const answer = await call(
      `restore_operation((select deletion_id from app.nodes where id = 3))`,
    );
    expect(answer).toMatchObject({
      restored: { 'app.nodes': 2 },
      failed: [{ key: 2, code: '23505' }],
    });
    expect(await idsOf(db.sql, 'app.nodes where deleted_at is not null')).toEqual([2]);
  });

  it('counts what was replaced in the end', async () => {
    await db.sql`alter table app.nodes add constraint no_root check (id <> 3 or deleted_at is not null) not valid`;
    expect(await call(`restore('app.nodes', '[3, 2]', 'replace')`)).toMatchObject({
      restored: 0,
      replaced: 0,
    });
  });
});

it('refuses a circle of tables', async () => {
  await db.sql.unsafe(`
    alter table app.projects add column main_task integer references app.tasks;
  `);
  await expect(
    call(`enable_soft_delete('app.tasks', cascade => array['app.projects'])`),
  ).rejects.toMatchObject({
    code: 'NS422',
    message: 'Deletions of app.tasks would come back to it by way of app.projects',
  });
});

it('serves a role whose name has capitals', async () => {
  await db.sql.unsafe(`
    do $$ begin create role "Nightly-Job"; exception when duplicate_object then null; end $$;
    grant usage on schema app, nightshift to "Nightly-Job";
    grant execute on all functions in schema nightshift to "Nightly-Job";
    grant select, update on app.tasks to "Nightly-Job";
  `);
  const answer = await db.sql.begin(async (sql) => {
    await sql`set local role "Nightly-Job"`;
    return call(`soft_delete('app.tasks', '[1]')`, sql as unknown as typeof db.sql);
  });
  expect(answer).toMatchObject({ deleted: 1 });
  await db.sql`drop owned by "Nightly-Job"`;
});
