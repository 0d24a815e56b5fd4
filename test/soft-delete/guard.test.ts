import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { idsOf } from '../support/rows.ts';
import { until, waiting } from '../support/waiting.ts';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    delete from nightshift.soft_delete_tables;
    create table app.projects (id integer primary key);
    create table app.tasks (id integer primary key, project_id integer references app.projects, parent_id integer references app.tasks, title text);
    insert into app.projects values (1), (2);
    insert into app.tasks values (1, 1), (2, 2);
    select nightshift.enable_soft_delete('app.tasks');
    select nightshift.enable_soft_delete('app.tasks', cascade => array['app.tasks'], guard => true);
    select nightshift.enable_soft_delete('app.projects', cascade => array['app.tasks'], guard => true);
  `);
});

async function call(expression: string) {
  const [row] = await db.sql.unsafe(`select nightshift.${expression} as answer`);
  return row?.answer;
}
const guards = async () => {
  const rows = await db.sql<{ name: string }[]>`
    select t.tgname as name from pg_trigger t where t.tgname like 'zz_nightshift_guard%' order by 1`;
  return rows.map(({ name }) => name);
};
const refused = { code: 'NS409', constraint_name: 'tasks_project_id_fkey' };

describe('a guarded child', () => {
  it('is neither added to a deleted parent nor pointed to it, and all else goes on', async () => {
    await call(`soft_delete('app.projects', '[1]')`);
    await expect(db.sql`insert into app.tasks values (3, 1)`).rejects.toMatchObject({
      ...refused,
      message: 'The row of app.projects that it would belong to is deleted',
    });
    await expect(db.sql`update app.tasks set project_id = 1 where id = 2`).rejects.toMatchObject(
      refused,
    );
    await expect(db.sql`insert into app.tasks values (3, 2, 1)`).rejects.toMatchObject({
      code: 'NS409',
      constraint_name: 'tasks_parent_id_fkey',
    });
    await db.sql`update app.tasks set title = 'kept' where id = 1`;
    await db.sql`insert into app.tasks values (4, 2), (5, null)`;
    await db.sql`insert into app.tasks (id, project_id, deleted_at) values (6, 1, now())`;
    await expect(db.sql`update app.tasks set deleted_at = null where id = 1`).rejects.toMatchObject(
      refused,
    );
    await call(`restore('app.projects', '[1]')`);
    await db.sql`insert into app.tasks values (3, 1)`;
    await db.sql`update app.tasks set deleted_at = null where id = 1`;
  });

  it('waits for a deletion of the parent under way, and is refused then', async () => {
    const user = db.connect();
    await user`begin`;
    await user`select nightshift.soft_delete('app.projects', '[1]')`;
    const adding = db.sql`insert into app.tasks values (3, 1)`.then(
      () => null,
      (error) => error,
    );
    await until('it waits', async () => (await waiting(db.sql, 'insert into app.tasks')) > 0);
    await user`commit`;
    expect(await adding).toMatchObject(refused);
  });

  it('that was added first is waited for, and taken along', async () => {
    const user = db.connect();
    await user`begin`;
    await user`insert into app.tasks values (3, 1)`;
    const deleting = call(`soft_delete('app.projects', '[1]')`);
    await until('it waits', async () => (await waiting(db.sql, 'soft_delete')) > 0);
    await user`commit`;
    expect(await deleting).toMatchObject({ cascaded: { 'app.tasks': 2 } });
    expect(await idsOf(db.sql, 'app.tasks where deleted_at is null')).toEqual([2]);
  });

  it('is what a dry run says, with the lock, and what it would refuse', async () => {
    await db.sql`select nightshift.enable_soft_delete('app.projects', cascade => '{}', guard => false)`;
    const args = `'app.projects', cascade => array['app.tasks'], guard => true`;
    const planned = await call(
      `enable_soft_delete(${args}, drop_after => '1 day', dry_run => true)`,
    );
    expect(planned).toMatchObject({
      done: [],
      toDo: [
        {
          statement: expect.stringMatching(/^create trigger zz_nightshift_guard_tasks_project_id/),
          lock: 'SHARE ROW EXCLUSIVE on app.tasks for a moment',
        },
        { statement: expect.stringContaining('add_retention_policy') },
      ],
    });
    expect(await guards()).toEqual(['zz_nightshift_guard_tasks_parent_id_fkey']);
    const { done } = await call(`enable_soft_delete(${args}, drop_after => '1 day')`);
    expect(done).toEqual(planned.toDo);
    await db.sql`select nightshift.remove_retention_policy('app.projects')`;
    await expect(
      call(`enable_soft_delete('app.projects', cascade => array['app.nothing'], dry_run => true)`),
    ).rejects.toMatchObject({ code: 'NS404' });
  });

  it('stays guarded when the table is enabled again, until that is taken back', async () => {
    const both = [
      'zz_nightshift_guard_tasks_parent_id_fkey',
      'zz_nightshift_guard_tasks_project_id_fkey',
    ];
    expect(await guards()).toEqual(both);
    await call(`enable_soft_delete('app.projects', cascade => array['app.tasks'])`);
    expect(await guards()).toEqual(both);
    await db.sql`drop trigger zz_nightshift_guard_tasks_project_id_fkey on app.tasks`;
    const [inspected] = await call(`inspect_soft_delete('app.projects')`);
    expect(inspected.missing).toMatchObject([
      {
        statement: expect.stringContaining(
          'create trigger zz_nightshift_guard_tasks_project_id_fkey',
        ),
      },
    ]);
    await call(`enable_soft_delete('app.projects', guard => false)`);
    expect(await guards()).toEqual(both.slice(0, 1));
    await call(`disable_soft_delete('app.tasks')`);
    expect(await guards()).toEqual([]);
  });
});
