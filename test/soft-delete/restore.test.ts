import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { idsOf, range } from '../support/rows.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    delete from nightshift.soft_delete_tables;
    truncate nightshift.deletion_events;
    create table app.items (id integer primary key, name text);
    insert into app.items select id, 'item ' || id from generate_series(1, 11) id;
    select nightshift.enable_soft_delete('app.items');
    select nightshift.soft_delete('app.items', '[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]');
  `);
});

const clean = { notFound: 0, notDeleted: 0, failed: [], parents: 0, replaced: 0 };

async function restore(keys: unknown[], options = '', relation = 'app.items') {
  const [row] = await db.sql.unsafe(
    `select nightshift.restore($1, $2::text::jsonb ${options}) as answer`,
    [relation, JSON.stringify(keys)],
  );
  return row?.answer;
}

const deleted = (where = 'deleted_at is not null') => idsOf(db.sql, `app.items where ${where}`);

describe('restoring rows', () => {
  it('takes the mark off those that are asked for, counts what was not deleted or not there, and says so', async () => {
    expect(await restore([3, 1, 1, '02', 11, 99])).toEqual({
      ...clean,
      restored: 3,
      notFound: 1,
      notDeleted: 1,
    });
    expect(await deleted()).toEqual(range(4, 10));
    expect(await restore([1, 2, 3])).toEqual({ ...clean, restored: 0, notDeleted: 3 });
    expect(await restore([])).toEqual({ ...clean, restored: 0 });
  });

  it('finds no other row by an id that is too long for its column', async () => {
    await db.sql.unsafe(`
      create table app.codes (code varchar(3) primary key);
      insert into app.codes values ('abc'), ('def');
      select nightshift.enable_soft_delete('app.codes');
      select nightshift.soft_delete('app.codes', '["abc", "def"]');
    `);
    expect(await restore(['abcd', 'abc'], '', 'app.codes')).toEqual({
      ...clean,
      restored: 1,
      notFound: 1,
    });
  });
});

describe('a restore that meets others', () => {
  it('waits for a user, and looks again under the lock', async () => {
    const user = db.connect();
    await user`begin`;
    await user`update app.items set deleted_at = null where id = 1`;
    await user`delete from app.items where id = 2`;
    const restoring = restore([1, 2, 3]);
    await until('it waits for the row', async () => {
      const waiting = await db.sql`
        select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%nightshift.restore%'`;
      return waiting.length > 0;
    });
    await user`commit`;
    expect(await restoring).toEqual({ ...clean, restored: 1, notFound: 1, notDeleted: 1 });
  });

  it('gives up a row that stays locked, and restores the others', async () => {
    const user = db.connect();
    await user`begin`;
    await user`select from app.items where id in (2, 4, 6) for update`;
    const { failed, ...counts } = await restore([...range(1, 11), 99]);
    expect(counts).toMatchObject({ restored: 7, notDeleted: 1, notFound: 1 });
    expect(failed).toEqual(
      [2, 4, 6].map((key) => expect.objectContaining({ key, code: '55P03', constraint: null })),
    );
    await user`rollback`;
    expect(await deleted()).toEqual([2, 4, 6]);
    expect(
      await db.sql`select keys, details from nightshift.deletion_events where action = 'restore_failed'`,
    ).toMatchObject([{ keys: [2, 4, 6], details: [{ code: '55P03', rows: 3 }] }]);
  });

  it('restores none where that is asked for, when a row stays locked', async () => {
    const user = db.connect();
    await user`begin`;
    await user`select from app.items where id = 2 for update`;
    await expect(restore([1, 2, 3], `, on_conflict => 'fail'`)).rejects.toMatchObject({
      code: '55P03',
    });
    await user`rollback`;
    expect(await deleted()).toEqual(range(1, 10));
  });
});

describe('a key of a type that is not of Postgres', () => {
  it('runs no cast of its owner with the rights of Nightshift', async () => {
    await db.sql.unsafe(`
      create type app.size as enum ('small', 'large');
      create function app.fire(app.size) returns json language plpgsql as $$
      begin
        if current_user <> 'service_role' then raise exception 'the cast ran as %', current_user; end if;
        return '"cast"';
      end $$;
      create cast (app.size as json) with function app.fire(app.size);
      create table app.shirts (size app.size primary key);
      insert into app.shirts values ('small'), ('large');
      select nightshift.enable_soft_delete('app.shirts');
      grant usage on schema app to service_role;
      grant select, update on app.shirts to service_role;
    `);
    await db.sql.begin(async (sql) => {
      await sql`set local role service_role`;
      await sql`update app.shirts set deleted_at = now()`;
      const [row] = await sql`select nightshift.restore('app.shirts', '["small"]') as answer`;
      expect(row?.answer).toEqual({ ...clean, restored: 1 });
    });
    expect(
      await db.sql`select action, keys from nightshift.deletion_events where relation_name = 'app.shirts' order by id`,
    ).toEqual([
      { action: 'delete', keys: expect.arrayContaining(['small', 'large']) },
      { action: 'restore', keys: ['small'] },
    ]);
  });
});
