import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';

const ann = 'a0000000-0000-4000-8000-000000000001';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    delete from nightshift.soft_delete_tables;
    truncate nightshift.deletion_events;
    create table app.notes (id integer primary key, owner uuid not null, slug text, secret text, key text);
    create table app.pages (id integer primary key, note_id integer references app.notes, owner uuid not null);
    alter table app.notes enable row level security;
    alter table app.pages enable row level security;
    create policy own on app.notes to authenticated using (owner = (current_setting('request.jwt.claims')::jsonb ->> 'sub')::uuid);
    create policy own on app.pages to authenticated using (owner = (current_setting('request.jwt.claims')::jsonb ->> 'sub')::uuid);
    grant usage on schema app to authenticated;
    grant select (id, owner, slug, key), insert, update on app.notes to authenticated;
    grant select, insert, update on app.pages to authenticated;
    insert into app.notes (id, owner, slug, secret)
    select n, case when n <= 5 then '${ann}'::uuid else gen_random_uuid() end, 's' || n, 'x' from generate_series(1, 10) n;
    insert into app.pages select id, id, owner from app.notes;
    select nightshift.enable_soft_delete('app.pages', for_users => true, hide => true);
    select nightshift.enable_soft_delete('app.notes', for_users => true, hide => true, unique_among_active => array['slug'],
      cascade => array['app.pages'], guard => true);
    grant select (deleted_at, deletion_id) on app.notes to authenticated;
  `);
});

/** As the Data API does it for a request with the token of Ann. */
async function asAnn(expression: string) {
  return await db.sql.begin(async (sql) => {
    await sql`select set_config('request.jwt.claims', ${JSON.stringify({ role: 'authenticated', sub: ann })}, true)`;
    await sql`set local role authenticated`;
    const [row] = await sql.unsafe(`select nightshift.${expression} as answer`);
    return row?.answer;
  });
}
const all = `'[{"column": "id", "operator": "gt", "value": 0}]'`;

describe('a user', () => {
  it('deletes by a condition what is theirs, and asks of no column that they may not read', async () => {
    expect(await asAnn(`soft_delete_where('app.notes', ${all}, dry_run => true)`)).toMatchObject({
      wouldDelete: 5,
      byTable: { 'app.notes': 5, 'app.pages': 5 },
    });
    await expect(
      asAnn(
        `soft_delete_where('app.notes', '[{"column": "secret", "operator": "eq", "value": "x"}]')`,
      ),
    ).rejects.toMatchObject({ code: '42501' });
    expect(await asAnn(`soft_delete_where('app.notes', ${all})`)).toMatchObject({
      deleted: 5,
      cascaded: { 'app.pages': 5 },
    });
    expect(
      await db.sql`select distinct deleted_by from app.notes where deleted_at is not null`,
    ).toEqual([{ deleted_by: ann }]);
  });

  it('plans and confirms what they may delete, and sees nothing of others', async () => {
    const plan = await asAnn(`plan_delete('app.notes', '[5, 6, 99]')`);
    expect(plan).toMatchObject({
      tables: [
        { relation: 'app.notes', rows: 1 },
        { relation: 'app.pages', rows: 1 },
      ],
      notFound: 2,
    });
    const { operation } = await asAnn(
      `soft_delete('app.notes', '[5, 6, 99]', confirmed => '${plan.hash}')`,
    );
    await db.sql`insert into app.notes (id, owner, slug) values (15, ${ann}, 's5')`;
    expect(await asAnn(`plan_restore('${operation}')`)).toMatchObject({
      tables: [
        { relation: 'app.notes', rows: 1 },
        { relation: 'app.pages', rows: 1 },
      ],
      conflicts: [{ relation: 'app.notes', key: 5, kind: 'unique', blocking: 15 }],
    });
    const others = await db.sql`select nightshift.soft_delete('app.notes', '[7]') as answer`;
    await expect(asAnn(`plan_restore('${others[0]?.answer.operation}')`)).rejects.toMatchObject({
      code: 'NS404',
    });
  });

  it('is given the keys of deleted rows that are theirs, hidden as they are', async () => {
    await db.sql`select nightshift.soft_delete('app.notes', '[2, 7]')`;
    expect(await asAnn(`deleted_since('app.notes')`)).toMatchObject({ keys: [2], more: false });
  });

  it('puts a row, and is refused where a row of another has its values', async () => {
    const row = (slug: string) => `'${JSON.stringify({ id: 20, owner: ann, slug })}', 'slug'`;
    expect(await asAnn(`put_active('app.notes', ${row('new')})`)).toEqual({
      action: 'inserted',
      key: 20,
    });
    await db.sql`select nightshift.soft_delete('app.notes', '[20]')`;
    await expect(asAnn(`put_active('app.notes', ${row('new')})`)).rejects.toMatchObject({
      code: 'NS409',
    });
    expect(await asAnn(`put_active('app.notes', ${row('new')}, 'revive')`)).toEqual({
      action: 'revived',
      key: 20,
    });
    await expect(
      asAnn(
        `put_active('app.notes', '${JSON.stringify({ id: 21, owner: ann, slug: 's9' })}', 'slug')`,
      ),
    ).rejects.toMatchObject({ code: 'NS409', message: expect.stringContaining('may not change') });
  });

  it('adds no page to a deleted note, though it is hidden from them', async () => {
    await db.sql`select nightshift.soft_delete('app.notes', '[2, 7]')`;
    for (const note of [2, 7]) {
      await expect(
        db.sql.begin(async (sql) => {
          await sql`select set_config('request.jwt.claims', ${JSON.stringify({ sub: ann })}, true)`;
          await sql`set local role authenticated`;
          await sql`insert into app.pages values (30, ${note}, ${ann})`;
        }),
      ).rejects.toMatchObject({ code: 'NS409' });
    }
  });

  it('calls nothing of what is for service_role, and nothing of a table that is not for users', async () => {
    for (const expression of [
      `deletion_stats('app.notes')`,
      `list_deletion_events('app.notes')`,
      `restore_since('app.notes', now())`,
      `plan_restore(relation => 'app.notes', since => now())`,
    ]) {
      await expect(asAnn(expression), expression).rejects.toMatchObject({ code: '42501' });
    }
    await db.sql`select nightshift.enable_soft_delete('app.notes', for_users => false)`;
    for (const expression of [
      `soft_delete_where('app.notes', ${all})`,
      `plan_delete('app.notes', '[1]')`,
      `plan_restore(relation => 'app.notes', keys => '[1]')`,
      `deleted_since('app.notes')`,
      `deletions_since('app.notes', '0', 0)`,
      `put_active('app.notes', '{"slug": "x"}', 'slug')`,
    ]) {
      await expect(asAnn(expression), expression).rejects.toMatchObject({ code: 'NS403' });
    }
  });
});
