import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { idsOf } from '../support/rows.ts';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    delete from nightshift.soft_delete_tables;
    create table app.projects (id integer primary key);
    create table app.folders (id integer primary key, project_id integer references app.projects, parent_id integer references app.folders);
    create table app.files (id integer primary key, folder_id integer references app.folders, project_id integer references app.projects);
    create table app.invoices (id integer primary key, project_id integer references app.projects on delete restrict);
    insert into app.projects select generate_series(1, 3);
    insert into app.folders select n, (n - 1) / 10 + 1, case when n % 10 <> 1 then n - 1 end from generate_series(1, 30) n;
    insert into app.files select n, (n - 1) / 5 + 1, case when n <= 50 then 1 end from generate_series(1, 150) n;
    select nightshift.enable_soft_delete('app.files');
    select nightshift.enable_soft_delete('app.folders');
    select nightshift.enable_soft_delete('app.folders', cascade => array['app.files', 'app.folders(parent_id)']);
    select nightshift.enable_soft_delete('app.projects', cascade => array['app.folders', 'app.files']);
  `);
});

async function call(expression: string) {
  const [row] = await db.sql.unsafe(`select nightshift.${expression} as answer`);
  return row?.answer;
}
const deleted = (table: string) => idsOf(db.sql, `app.${table} where deleted_at is not null`);

describe('plan_delete', () => {
  it('counts by table and foreign key what soft_delete then deletes, and changes nothing', async () => {
    await call(`soft_delete('app.files', '[1, 2]')`);
    await db.sql`update app.folders set parent_id = 10 where id = 1`;
    const plan = await call(`plan_delete('app.projects', '[1, 3, 3, 99]')`);
    expect(plan).toEqual({
      tables: [
        { relation: 'app.projects', rows: 2, via: null },
        { relation: 'app.files', rows: 48, via: 'files_project_id_fkey' },
        { relation: 'app.folders', rows: 20, via: 'folders_project_id_fkey' },
        { relation: 'app.files', rows: 50, via: 'files_folder_id_fkey' },
      ],
      restricted: [],
      alreadyDeleted: 0,
      notFound: 1,
      hash: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(await deleted('projects')).toEqual([]);
    expect(
      await call(`soft_delete('app.projects', '[99, 3, 1]', confirmed => '${plan.hash}')`),
    ).toMatchObject({ deleted: 2, notFound: 1, cascaded: { 'app.files': 98, 'app.folders': 20 } });
    expect(await call(`plan_delete('app.projects', '[1, 2]')`)).toMatchObject({
      alreadyDeleted: 1,
    });
  });

  it('is confirmed for these keys and as many rows only', async () => {
    const { hash } = await call(`plan_delete('app.folders', '[9]')`);
    await db.sql`insert into app.files values (999, 10)`;
    for (const keys of ['[9]', '[29]']) {
      await expect(
        call(`soft_delete('app.folders', '${keys}', confirmed => '${hash}')`),
      ).rejects.toMatchObject({
        code: 'NS409',
        message: 'What would be deleted is no longer what was confirmed',
        hint: expect.stringContaining('plan_delete'),
      });
    }
    expect(await deleted('folders')).toEqual([]);
    await db.sql`delete from app.files where id = 999`;
    await call(`soft_delete('app.folders', '[9]', confirmed => '${hash}')`);
    expect(await deleted('folders')).toEqual([9, 10]);
  });

  it('names what RESTRICT keeps from being deleted, but for what goes along', async () => {
    await db.sql`insert into app.invoices values (1, 2), (2, 2), (3, 3)`;
    expect(await call(`plan_delete('app.projects', '[1, 2]')`)).toMatchObject({
      restricted: [
        { referencing: 'app.invoices', constraint: 'invoices_project_id_fkey', rows: 2 },
      ],
    });
    expect(await call(`plan_delete('app.projects', '[1]')`)).toMatchObject({ restricted: [] });
    await call(`enable_soft_delete('app.invoices')`);
    await call(`soft_delete('app.invoices', '[1]')`);
    expect(await call(`plan_delete('app.projects', '[2]')`)).toMatchObject({
      restricted: [{ rows: 1 }],
    });
  });

  it('waits for nobody who adds to a row', async () => {
    const user = db.connect();
    await user`begin`;
    await user`insert into app.folders values (99, 1)`;
    expect(await call(`plan_delete('app.projects', '[1]')`)).toMatchObject({ notFound: 0 });
    await user`rollback`;
  });
});
