import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
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
  onTestFinished(async () => {
    await db.sql.unsafe('drop owned by "Nightly-Job"; drop role "Nightly-Job"');
  });
  await db.sql.unsafe(`
    create role "Nightly-Job";
    grant usage on schema app, nightshift to "Nightly-Job";
    grant execute on all functions in schema nightshift to "Nightly-Job";
    grant select, update on app.tasks to "Nightly-Job";
  `);
  const answer = await db.sql.begin(async (sql) => {
    await sql`set local role "Nightly-Job"`;
    return call(`soft_delete('app.tasks', '[1]')`, sql as unknown as typeof db.sql);
  });
  expect(answer).toMatchObject({ deleted: 1 });
});

describe('in the name of another', () => {
  const [ann, bob] = [
    'a0000000-0000-4000-8000-000000000001',
    'b0000000-0000-4000-8000-000000000002',
  ];
  beforeEach(() =>
    db.sql.unsafe(`
      grant usage on schema app to anon, authenticated, service_role;
      grant select, insert, update on app.tasks, app.projects to anon, authenticated, service_role;
    `),
  );
  const as = (role: string, sub: string | undefined, statement: string) =>
    db.sql.begin(async (sql) => {
      await sql`select set_config('request.jwt.claims', ${JSON.stringify({ role, sub })}, true)`;
      await sql`set local role ${sql(role)}`;
      return sql.unsafe(statement);
    });
  const insertAs = (role: string, sub: string | undefined, by: string | null, operation = 'null') =>
    as(
      role,
      sub,
      `insert into app.tasks (id, deleted_at, deleted_by, deletion_id)
       values (10, now(), ${by === null ? 'null' : `'${by}'`}, ${operation})`,
    );

  it.each([
    ['authenticated', ann, bob, 'null'],
    ['authenticated', ann, null, 'gen_random_uuid()'],
    ['authenticated', ann, ann, 'gen_random_uuid()'],
    ['anon', undefined, ann, 'null'],
    ['anon', undefined, null, 'gen_random_uuid()'],
  ])(
    '%s (%s) inserts no row that is deleted by %s with operation %s',
    async (role, sub, by, id) => {
      await expect(insertAs(role, sub, by, id)).rejects.toMatchObject({
        code: 'NS403',
        hint: expect.stringContaining('deleted_by'),
      });
      expect(await deletedTasks()).toEqual([]);
    },
  );

  it.each([
    ['authenticated', ann, ann, 'null'],
    ['authenticated', ann, null, 'null'],
    ['anon', undefined, null, 'null'],
    ['service_role', undefined, bob, 'gen_random_uuid()'],
  ])('%s (%s) inserts a row that is deleted by %s with operation %s', async (role, sub, by, id) => {
    await insertAs(role, sub, by, id);
    expect(await deletedTasks()).toEqual([10]);
  });

  it('the owner imports what another system has deleted, by a function that users call, too', async () => {
    await db.sql.unsafe(`
      create function app.import_task() returns void language sql security definer as
      $$ insert into app.tasks (id, deleted_at, deleted_by) values (10, '2026-01-01', '${bob}') $$;
      grant execute on function app.import_task to authenticated;
    `);
    await as('authenticated', ann, 'select app.import_task()');
    expect(await deletedTasks()).toEqual([10]);
  });

  it('nobody inserts by the flag of a table either, or into a partition', async () => {
    await db.sql.unsafe(`
      create table app.mails (id integer primary key, gone_at timestamptz, "isGone" boolean, "who's" text) partition by range (id);
      create table app.mails_1 partition of app.mails for values from (0) to (100);
      select nightshift.enable_soft_delete('app.mails', marker_column => 'gone_at', flag_column => 'isGone', by_column => 'who''s');
      create table app.mails_2 partition of app.mails for values from (100) to (200);
      grant insert on app.mails to authenticated;
    `);
    for (const id of [1, 101]) {
      await expect(
        as(
          'authenticated',
          ann,
          `insert into app.mails (id, "isGone", "who's") values (${id}, true, '${bob}')`,
        ),
      ).rejects.toMatchObject({ code: 'NS403' });
    }
  });

  it('nobody who has no name deletes by a plain update', async () => {
    await as(
      'anon',
      undefined,
      `update app.tasks set deleted_at = '2020-01-01', deleted_by = '${ann}' where id = 1`,
    );
    expect(
      await db.sql`select deleted_by, deleted_at > now() - interval '1 hour' as now from app.tasks where id = 1`,
    ).toEqual([{ deleted_by: 'anon', now: true }]);
  });

  it.each(['authenticated', 'nightshift_customer'])(
    '%s without a name deletes and restores in no other',
    async (role) => {
      onTestFinished(async () => {
        await db.sql.unsafe('drop owned by nightshift_customer; drop role nightshift_customer');
      });
      await db.sql.unsafe(`
        create role nightshift_customer;
        grant nightshift_customer to authenticator;
        select nightshift.disable_soft_delete('app.tasks');
        select nightshift.enable_soft_delete('app.tasks', for_users => true);
        grant usage on schema app to nightshift_customer;
        grant select, update on app.tasks to nightshift_customer;
        grant authenticated to nightshift_customer;
      `);
      await as(
        role,
        undefined,
        `update app.tasks set deleted_at = '2020-01-01', deleted_by = '${ann}' where id = 1`,
      );
      expect(
        await db.sql`select deleted_by, deleted_at > now() - interval '1 hour' as now from app.tasks where id = 1`,
      ).toEqual([{ deleted_by: role, now: true }]);
      for (const call of [
        `soft_delete('app.tasks', '[2]', deleted_by => '${ann}')`,
        `restore('app.tasks', '[1]', restored_by => '${ann}')`,
      ]) {
        await expect(as(role, undefined, `select nightshift.${call}`)).rejects.toMatchObject({
          code: 'NS403',
        });
      }
      await as(role, undefined, `select nightshift.soft_delete('app.tasks', '[2]')`);
      expect(await db.sql`select deleted_by from app.tasks where id = 2`).toEqual([
        { deleted_by: role },
      ]);
    },
  );

  it('a row that is there is deleted by an upsert, and stamped', async () => {
    await as(
      'authenticated',
      ann,
      `insert into app.tasks (id, deleted_at) values (1, '2020-01-01') on conflict (id) do update set deleted_at = excluded.deleted_at`,
    );
    expect(await db.sql`select deleted_by from app.tasks where id = 1`).toEqual([
      { deleted_by: ann },
    ]);
  });

  it('no user joins rows to an operation of another, or to one of nobody', async () => {
    const operationOf = async (role: string, sub: string | undefined, keys: string) => {
      const [row] = await as(
        role,
        sub,
        `select nightshift.soft_delete('app.projects', '${keys}') ->> 'operation' as id`,
      );
      return row?.id;
    };
    const deleteIn = (operation: string, sub: string, keys: string) =>
      as(
        'authenticated',
        sub,
        `select nightshift.soft_delete('app.tasks', '${keys}', operation => '${operation}') -> 'deleted' as n`,
      );
    await db.sql`insert into app.tasks values (3), (4), (5), (6)`;
    const ofAnn = await operationOf('authenticated', ann, '[1]');
    const ofService = await operationOf('service_role', undefined, '[2]');
    const [plain] =
      await db.sql`update app.tasks set deleted_at = now() where id = 6 returning deletion_id as id`;
    for (const operation of [ofAnn, ofService, plain?.id]) {
      await expect(deleteIn(operation, bob, '[3]')).rejects.toMatchObject({
        code: 'NS403',
        hint: expect.stringContaining('Leave it out'),
      });
    }
    expect(await deleteIn(ofAnn, ann, '[3]')).toEqual([{ n: 1 }]);
    const [begun] = await as('authenticated', bob, 'select nightshift.start_operation() as id');
    expect(await deleteIn(begun?.id, bob, '[4]')).toEqual([{ n: 1 }]);
    await expect(deleteIn(begun?.id, ann, '[5]')).rejects.toMatchObject({ code: 'NS403' });
    await as(
      'service_role',
      undefined,
      `select nightshift.soft_delete('app.tasks', '[5]', operation => '${ofAnn}')`,
    );
    expect(await deletedTasks()).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
