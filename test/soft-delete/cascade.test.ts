import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { idsOf, range } from '../support/rows.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql`delete from nightshift.soft_delete_tables`;
  await db.sql`truncate nightshift.deletion_events`;
});

async function call(expression: string, sql = db.sql) {
  const [row] = await sql.unsafe(`select nightshift.${expression} as answer`);
  return row?.answer;
}
const alive = (relation: string) => idsOf(db.sql, `${relation} where deleted_at is null`);

/** Projects with folders of folders, their files, and invoices that are not to be deleted. */
async function createProjects(): Promise<void> {
  await db.sql.unsafe(`
    create table app.projects (id integer primary key);
    create table app.folders (id integer primary key, project_id integer references app.projects, parent_id integer references app.folders);
    create table app.files (id integer primary key, folder_id integer references app.folders);
    create table app.invoices (id integer primary key, project_id integer references app.projects on delete restrict);
    insert into app.projects select generate_series(1, 4);
    insert into app.folders select n, (n - 1) / 10 + 1, case when n % 10 <> 1 then n - 1 end from generate_series(1, 40) n;
    insert into app.files select n, (n - 1) / 5 + 1 from generate_series(1, 200) n;
    insert into app.invoices values (1, 4);
    select nightshift.enable_soft_delete('app.files');
    select nightshift.enable_soft_delete('app.folders');
    select nightshift.enable_soft_delete('app.folders', cascade => array['app.files', 'app.folders(parent_id)']);
    select nightshift.enable_soft_delete('app.projects', cascade => array['app.folders']);
  `);
}

describe('a deletion that goes on', () => {
  beforeEach(createProjects);

  it('takes what belongs to the row through all levels, once, and comes back exactly so', async () => {
    await call(`soft_delete('app.files', '[1, 2]')`);
    const folder = await call(`soft_delete('app.folders', '[8]')`);
    expect(folder).toMatchObject({ deleted: 1, cascaded: { 'app.folders': 2, 'app.files': 15 } });
    const project = await call(`soft_delete('app.projects', '[1]')`);
    expect(project).toMatchObject({ deleted: 1, cascaded: { 'app.folders': 7, 'app.files': 33 } });
    expect(await alive('app.folders')).toEqual(range(11, 40));

    expect(await call(`restore_operation('${project.operation}')`)).toMatchObject({
      restored: { 'app.projects': 1, 'app.folders': 7, 'app.files': 33 },
      failed: [],
    });
    expect(await alive('app.folders')).toEqual([...range(1, 7), ...range(11, 40)]);
    expect(await alive('app.files')).toEqual([...range(3, 35), ...range(51, 200)]);
    await call(`restore_operation('${folder.operation}')`);
    expect(await alive('app.files')).toEqual(range(3, 200));
    await expect(call(`restore_operation('${folder.operation}')`)).rejects.toMatchObject({
      code: 'NS404',
    });
  });

  it('finds each key by the name that is offered, however its table and columns are called', async () => {
    await db.sql.unsafe(`
      create table app."line(s), ""old""" (
        id integer primary key, "a(b)" integer references app.projects, "c,d" integer references app.projects, "e  , f" integer references app.projects,
        "g)" integer references app.projects, """" integer references app.projects, "x) or (true" integer references app.projects);
      select nightshift.enable_soft_delete('app."line(s), ""old"""');
    `);
    const declare = (cascade: string[]) =>
      db.sql`select nightshift.enable_soft_delete('app.projects', cascade => ${cascade})`;
    const { hint } = await declare(['app."line(s), ""old"""']).catch((error) => error);
    const offered = Array.from(hint.matchAll(/'([^']+)'/g), ([, name]) => name as string);
    expect(offered).toHaveLength(6);
    await declare(offered);
    await declare(['app."line(s), ""old"""( "c,d" )', ' app . "line(s), ""old""" ("""")']);
    expect(
      await db.sql`select constraint_name from nightshift.soft_delete_cascades where relation = 'app.projects'::regclass`,
    ).toHaveLength(2);
  });

  it('comes back page by page, whatever the size of a page', async () => {
    const { operation } = await call(`soft_delete('app.projects', '[1, 2, 3]')`);
    let after = 'null';
    let calls = 0;
    const restored: Record<string, number> = {};
    do {
      const answer = await call(
        `restore_operation('${operation}', max_rows => 7, after => ${after})`,
      );
      expect(answer.failed).toEqual([]);
      for (const [table, rows] of Object.entries<number>(answer.restored)) {
        restored[table] = (restored[table] ?? 0) + rows;
      }
      after = answer.after ? `'${JSON.stringify(answer.after)}'` : 'null';
      calls++;
    } while (after !== 'null');
    expect(restored).toEqual({ 'app.projects': 3, 'app.folders': 30, 'app.files': 150 });
    expect(calls).toBe(27);
  });

  it('goes on in the same operation over several calls', async () => {
    const { operation, deletedAt } = await call(`soft_delete('app.files', '[1, 2]')`);
    expect(
      await call(`soft_delete('app.files', '[2, 3]', operation => '${operation}')`),
    ).toMatchObject({ operation, deletedAt, deleted: 1, alreadyDeleted: 1 });
    expect(await call(`restore_operation('${operation}')`)).toMatchObject({
      restored: { 'app.files': 3 },
    });
  });

  it('is refused where a foreign key says ON DELETE RESTRICT, with nothing deleted', async () => {
    await expect(call(`soft_delete('app.projects', '[3, 4]')`)).rejects.toMatchObject({
      code: 'NS409',
      message: '1 row of app.invoices refer to these rows of app.projects',
      constraint_name: 'invoices_project_id_fkey',
      hint: expect.stringContaining(`cascade => array['app.invoices']`),
    });
    expect(await alive('app.projects')).toEqual(range(1, 4));
    await call(`enable_soft_delete('app.invoices')`);
    await call(`soft_delete('app.invoices', '[1]')`);
    expect(await call(`soft_delete('app.projects', '[4]')`)).toMatchObject({ deleted: 1 });
  });

  it('waits for who adds a row that refers to it, and takes that along', async () => {
    const user = db.connect();
    await user`begin`;
    await user`insert into app.folders values (99, 1)`;
    const deleting = call(`soft_delete('app.projects', '[1]')`);
    await until('it waits for the row', async () => {
      const waiting = await db.sql`
        select from pg_stat_activity where wait_event_type = 'Lock' and query like '%soft_delete%'`;
      return waiting.length > 0;
    });
    await user`commit`;
    expect(await deleting).toMatchObject({ cascaded: { 'app.folders': 11 } });
    expect(await alive('app.folders')).toEqual(range(11, 40));
  });

  it('ends in a circle of rows, and comes back from it', async () => {
    await db.sql`update app.folders set parent_id = 10 where id = 1`;
    const { operation, cascaded } = await call(`soft_delete('app.folders', '[5]')`);
    expect(cascaded).toMatchObject({ 'app.folders': 9 });
    expect(await call(`restore_operation('${operation}')`)).toMatchObject({
      restored: { 'app.folders': 10, 'app.files': 50 },
      failed: [],
    });
  });
});

describe('a row that a trigger of the application keeps', () => {
  beforeEach(async () => {
    await createProjects();
    await db.sql.unsafe(`
      create function app.keep() returns trigger language plpgsql as $$
      begin
        if old.id = 3 then return null; end if;
        if old.id = 4 then new.deleted_at := null; end if;
        return new;
      end $$;
      create trigger zzz before update on app.folders for each row execute function app.keep();
    `);
  });

  it('is not counted, and what belongs to it stays', async () => {
    expect(await call(`soft_delete('app.folders', '[3, 4, 10]')`)).toMatchObject({
      deleted: 1,
      alreadyDeleted: 0,
      notFound: 0,
      cascaded: { 'app.files': 5 },
    });
    expect(await alive('app.folders')).toEqual([...range(1, 9), ...range(11, 40)]);
    expect(await alive('app.files')).toEqual([...range(1, 45), ...range(51, 200)]);
  });

  it.each([3, 4])('is named when it is the only one (%s)', async (id) => {
    await expect(call(`soft_delete('app.folders', '[${id}]')`)).rejects.toMatchObject({
      code: 'NS409',
      message: 'A trigger of app.folders kept the row from being deleted',
      hint: expect.stringMatching(/triggers/),
    });
  });
});

describe('a row whose parent is deleted', () => {
  beforeEach(createProjects);

  it('stays deleted, or comes back with it, as is asked', async () => {
    await call(`soft_delete('app.projects', '[2]')`);
    expect(await call(`restore('app.files', '[51]')`)).toMatchObject({
      restored: 0,
      failed: [
        { key: 51, code: 'NS409', message: 'It belongs to a row of app.folders that is deleted' },
      ],
    });
    await expect(call(`restore('app.files', '[51]', 'fail')`)).rejects.toMatchObject({
      code: 'NS409',
      hint: expect.stringContaining('restore_parents'),
    });
    expect(await call(`restore('app.files', '[100]', 'restore_parents')`)).toMatchObject({
      restored: 1,
      parents: 11,
      failed: [],
    });
    expect(await alive('app.projects')).toEqual(range(1, 4));
    expect(await alive('app.folders')).toEqual(range(1, 40));
    expect(await alive('app.files')).toEqual([...range(1, 50), 100, ...range(101, 200)]);
  });
});

describe('a row whose unique value was taken', () => {
  let operation: string;
  beforeEach(async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, tenant integer not null default 1, sku text);
      insert into app.items (id, sku) select n, 's' || n from generate_series(1, 6) n;
      select nightshift.enable_soft_delete('app.items', unique_among_active => array['tenant, sku']);
    `);
    ({ operation } = await call(`soft_delete('app.items', '[1, 2, 3]')`));
    await db.sql`insert into app.items (id, sku) values (11, 's1'), (13, 's3')`;
  });

  it('stays deleted and is reported and recorded, and keeps no other back', async () => {
    const { restored, failed } = await call(
      `restore('app.items', '[1, 2, 3]', restored_by => 'me')`,
    );
    expect(restored).toBe(1);
    expect(failed).toEqual(
      [1, 3].map((key) => ({
        key,
        code: '23505',
        constraint: 'items_tenant_sku_idx',
        raisedIn: null,
        message: null,
      })),
    );
    expect(
      await db.sql`select action, keys, actor, details from nightshift.deletion_events order by id offset 1`,
    ).toEqual([
      { action: 'restore', keys: [2], actor: 'me', details: null },
      {
        action: 'restore_failed',
        keys: [1, 3],
        actor: 'me',
        details: [{ code: '23505', constraint: 'items_tenant_sku_idx', raisedIn: null, rows: 2 }],
      },
    ]);
  });

  it('with "fail" keeps all others back, too', async () => {
    await expect(call(`restore('app.items', '[1, 2, 3]', 'fail')`)).rejects.toMatchObject({
      code: 'NS409',
      constraint_name: 'items_tenant_sku_idx',
    });
    expect(await alive('app.items')).toEqual([4, 5, 6, 11, 13]);
  });

  it('with "replace" takes the place of the active row, which is deleted', async () => {
    expect(await call(`restore_operation('${operation}', 'replace')`)).toMatchObject({
      restored: { 'app.items': 3 },
      replaced: 2,
    });
    expect(await alive('app.items')).toEqual(range(1, 6));
  });

  it('comes back with other values', async () => {
    expect(
      await call(`restore('app.items', '[1]', overrides => '{"sku": "s1 (old)", "tenant": 2}')`),
    ).toMatchObject({ restored: 1 });
    expect(await db.sql`select tenant, sku from app.items where id = 1`).toEqual([
      { tenant: 2, sku: 's1 (old)' },
    ]);
    await expect(
      call(`restore('app.items', '[2]', overrides => '{"gone": 1}')`),
    ).rejects.toMatchObject({ code: 'NS422' });
    await expect(
      call(`restore('app.items', '[2, 3]', overrides => '{"sku": "x"}')`),
    ).rejects.toMatchObject({ code: 'NS422' });
  });
});
