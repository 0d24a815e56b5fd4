import { createClient } from '@supabase/supabase-js';
import type { Sql } from 'postgres';
import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { deletedIds, runPurge } from '../support/purge.ts';
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

async function restore(keys: unknown[], options = '', relation = 'app.items', sql: Sql = db.sql) {
  const [row] = await sql.unsafe(
    `select nightshift.restore($1, $2::text::jsonb ${options}) as answer`,
    [relation, JSON.stringify(keys)],
  );
  return row?.answer;
}

/** Lets the purge have what was deleted, as if that had been forty days ago. */
const makeDue = () =>
  db.sql.unsafe(`
    alter table app.items disable trigger user;
    update app.items set deleted_at = deleted_at - interval '40 days' where deleted_at is not null;
    alter table app.items enable trigger user;
    select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
  `);

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

  it('keeps what was restored from the purge', async () => {
    await makeDue();
    await restore([4, 5]);
    expect((await runPurge(db)).report.rowsPurged).toBe(8);
    expect(await idsOf(db.sql, 'app.items')).toEqual([4, 5, 11]);
    expect(await restore([1, 4])).toEqual({ ...clean, restored: 0, notFound: 1, notDeleted: 1 });
  });

  it('clears marker and flag of mixed-case names, by uuid, in a partitioned table', async () => {
    await db.sql.unsafe(`
      create table app."Product" (
        "Id" uuid primary key, "isDeleted" boolean not null default false, "deletedAt" timestamp
      ) partition by hash ("Id");
      create table app."Product 0" partition of app."Product" for values with (modulus 2, remainder 0);
      create table app."Product 1" partition of app."Product" for values with (modulus 2, remainder 1);
      insert into app."Product" select md5(n::text)::uuid, n <= 8, case when n <= 9 then now() - interval '40 days' end
      from generate_series(1, 10) n;
      select nightshift.enable_soft_delete('app."Product"', 'deletedAt', 'isDeleted');
    `);
    const ids = await db.sql<
      { id: string }[]
    >`select upper(md5(n::text)) as id from generate_series(5, 10) n`;
    // Two have no flag, and were never deleted.
    expect(
      await restore(
        ids.map(({ id }) => id),
        '',
        'app."Product"',
      ),
    ).toEqual({ ...clean, restored: 4, notDeleted: 2 });
    expect(
      await db.sql`
        select "isDeleted" as flag, "deletedAt" is null as clear, count(*)::int as n
        from app."Product" group by 1, 2 order by 1, 2`,
    ).toEqual([
      { flag: false, clear: false, n: 1 },
      { flag: false, clear: true, n: 5 },
      { flag: true, clear: false, n: 4 },
    ]);
    await expect(restore(['x'], '', 'app."Product 0"')).rejects.toMatchObject({ code: 'NS404' });
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

describe('a row that cannot come back', () => {
  it('is reported by SQLSTATE, constraint and place in the code, and keeps no other back', async () => {
    await db.sql.unsafe(`
      alter table app.items add owner_id integer, add price integer;
      create table app.owners (id integer primary key);
      create unique index "live name" on app.items (name) where deleted_at is null;
      alter table app.items add check (deleted_at is not null or price is distinct from -1);
      insert into app.items (id, name) values (20, 'item 2');
      update app.items set price = -1 where id = 3;
      create function app.refuse() returns trigger language plpgsql as $$
      begin
        if old.id = 4 then raise exception 'the secret of %', old.name; end if;
        if old.id = 5 then raise sqlstate 'PT409'; end if;
        if old.id = 6 then return null; end if;
        if old.id = 7 then new.deleted_at := old.deleted_at; end if;
        if old.id = 8 then new.owner_id := 404; end if;
        return new;
      end $$;
      create trigger refuse before update on app.items for each row execute function app.refuse();
      alter table app.items add constraint owner foreign key (owner_id) references app.owners deferrable initially deferred;
    `);
    const { failed, ...counts } = await restore(range(1, 10));
    expect(counts).toMatchObject({ restored: 3, notFound: 0, notDeleted: 0 });
    const byKey = (a: { key: number }, b: { key: number }) => a.key - b.key;
    expect(failed.toSorted(byKey)).toMatchObject([
      { key: 2, code: '23505', constraint: 'live name', raisedIn: null },
      { key: 3, code: '23514', constraint: 'items_check', raisedIn: null },
      { key: 4, code: 'P0001', constraint: null, raisedIn: 'line 3 of app.refuse()' },
      { key: 5, code: 'PT409', constraint: null, raisedIn: 'line 4 of app.refuse()' },
      { key: 6, code: 'NS422', constraint: null, raisedIn: null },
      { key: 7, code: 'NS422', constraint: null, raisedIn: null },
      { key: 8, code: '23503', constraint: 'owner', raisedIn: null },
    ]);
    expect(await deleted()).toEqual(range(2, 8));
    const [record] = await db.sql`
      select rows::integer, details from nightshift.deletion_events where action = 'restore_failed'`;
    expect(record).toMatchObject({ rows: 7 });
    expect(record?.details).toHaveLength(6);
    expect(record?.details[0]).toEqual({
      code: 'NS422',
      constraint: null,
      raisedIn: null,
      rows: 2,
    });
    expect(JSON.stringify([failed, record])).not.toContain('secret');
  });

  it('fires triggers with the search path of the application', async () => {
    await db.sql.unsafe(`
      create table app.log (id integer);
      create function app.note() returns trigger language plpgsql as $$
      begin insert into log values (new.id); return null; end $$;
      create trigger note after update on app.items for each row execute function app.note();
      update nightshift.settings set trigger_search_path = 'app';
    `);
    try {
      expect(await restore([1, 2])).toEqual({ ...clean, restored: 2 });
      expect(await idsOf(db.sql, 'app.log')).toEqual([1, 2]);
    } finally {
      await db.sql`update nightshift.settings set trigger_search_path = 'public, extensions'`;
    }
  });
});

describe('what is refused, with nothing restored', () => {
  const refused = (code: string, message: RegExp) => ({
    code,
    message: expect.stringMatching(message),
    hint: expect.stringMatching(/\.|;/),
  });

  it.each([
    ['an id that is no value of the key', ['1', 'x'], /not .*value/],
    ['an id out of its range', ['99999999999'], /not .*value/],
    ['an id that is null', [1, null], /not a value of the primary key/],
    ['more than 10,000 ids', range(1, 10_001), /10001 keys/],
  ])('%s', async (_, ids, message) => {
    await expect(restore(ids)).rejects.toMatchObject(refused('NS422', message));
    expect(await deleted()).toEqual(range(1, 10));
  });

  it('no ids', async () => {
    await expect(db.sql`select nightshift.restore('app.items', null)`).rejects.toMatchObject(
      refused('NS422', /must be an array/),
    );
  });

  it.each([
    ['no primary key', 'alter table app.items drop constraint items_pkey', /no primary key/],
    [
      'a marker that is gone',
      'alter table app.items rename deleted_at to removed_at',
      /no longer has/,
    ],
  ])('%s', async (_, statement, message) => {
    await db.sql.unsafe(statement);
    await expect(restore([1])).rejects.toMatchObject(refused('NS422', message));
  });

  it('a table without soft delete', async () => {
    await db.sql`create table app.others (id integer primary key, deleted_at timestamptz)`;
    await expect(restore([1], '', 'app.others')).rejects.toMatchObject(
      refused('NS404', /app.others/),
    );
  });
});

describe('over the Data API', () => {
  const clientWith = async (key: 'secretKey' | 'publishableKey') => {
    const gateway = await db.gateway();
    const options = { auth: { persistSession: false } };
    return createClient(gateway.url, gateway[key], options).schema('nightshift');
  };
  const twoItems = { relation: 'app.items', keys: [1, 2] };

  it('restores for service_role where it may update the table, and lists what was done', async () => {
    await db.sql`grant usage on schema app to service_role`;
    const client = await clientWith('secretKey');
    expect((await client.rpc('restore', twoItems)).error).toMatchObject({ code: '42501' });
    await db.sql`grant select, update on app.items to service_role`;
    expect((await client.rpc('restore', twoItems)).data).toEqual({ ...clean, restored: 2 });
    const { data } = await client.rpc('list_deletion_events', {
      relation: 'app.items',
      max_events: 1,
    });
    expect(data).toMatchObject([
      { action: 'restore', relation: 'app.items', rows: 2, keys: [1, 2], actor: 'service_role' },
    ]);
  });

  it('is not there for anon', async () => {
    await db.sql.unsafe(
      'grant usage on schema app to anon; grant select, update on app.items to anon',
    );
    const client = await clientWith('publishableKey');
    expect((await client.rpc('restore', twoItems)).status).toBe(401);
    await expect(
      db.sql.begin(async (sql) => {
        await sql`set local role anon`;
        await sql`select nightshift.restore('app.items', '[1]')`;
      }),
    ).rejects.toMatchObject({ code: '42501' });
    expect(await deleted()).toEqual(range(1, 10));
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

  describe('rows that belong to others', () => {
    beforeEach(() =>
      db.sql.unsafe(`
        create table app.parts (id integer primary key, item_id integer references app.items);
        insert into app.parts select id, id from generate_series(1, 11) id;
        select nightshift.restore('app.items', '[1, 2, 3]');
        select nightshift.enable_soft_delete('app.parts');
        select nightshift.enable_soft_delete('app.items', cascade => array['app.parts']);
        select nightshift.soft_delete('app.parts', '[1, 2, 3, 11]');
      `),
    );

    it('does not bring a row back to one whose deletion takes longer than it waits', async () => {
      const user = db.connect();
      await user`begin`;
      await user`select nightshift.soft_delete('app.items', '[2]')`;
      const answer = await restore([1, '02', 3, 11], '', 'app.parts');
      expect(answer).toMatchObject({ restored: 3, notFound: 0 });
      expect(answer.failed).toEqual([expect.objectContaining({ key: 2, code: '55P03' })]);
      await user`commit`;
      expect(await idsOf(db.sql, 'app.parts where deleted_at is not null')).toEqual([2]);
      expect((await restore([2], '', 'app.parts')).failed).toMatchObject([
        { key: 2, code: 'NS409', message: 'It belongs to a row of app.items that is deleted' },
      ]);
    });

    it('says what is wrong with a key, whatever it belongs to', async () => {
      await expect(restore(['two'], '', 'app.parts')).rejects.toMatchObject({ code: 'NS422' });
    });
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

describe('a restore that meets the purge', () => {
  beforeEach(() => makeDue());

  it('either finds a row or finds it purged: none is both restored and gone', async () => {
    await db.sql.unsafe(`
      insert into app.items (id, name, deleted_at)
      select id, id::text, now() - interval '40 days' from generate_series(1001, 3000) id;
      create table app.deleted (relation text not null, id bigint not null);
      create function app.audit() returns trigger language plpgsql set search_path = '' as $$
      begin insert into app.deleted values (tg_table_name, old.id); return null; end $$;
      create trigger audit after delete on app.items for each row execute function app.audit();
    `);
    const ids = range(1001, 3000);
    let purging = true;
    let restored = 0;
    const restoreAtRandom = async (session: Sql, step: number) => {
      for (let n = 0; purging; n++) {
        const some = range(0, 9).map((k) => ids[((n * 10 + k) * step) % ids.length]);
        const result = await restore(some, '', 'app.items', session);
        expect(result.failed).toEqual([]);
        restored += result.restored;
      }
    };
    const users = [2_741, 5_077].map((step) => restoreAtRandom(db.connect(), step));
    await runPurge(db, {}, { batchRows: 150 });
    purging = false;
    await Promise.all(users);

    const gone = new Set(await deletedIds(db.sql));
    const alive = await deleted('deleted_at is null and id > 1000');
    expect(restored).toBeGreaterThan(0);
    expect(alive).toHaveLength(restored);
    expect(alive.filter((id) => gone.has(id))).toEqual([]);
    await runPurge(db);
    expect((await deletedIds(db.sql)).length).toBe(2_010 - restored);
  });

  it('keeps a row from the batch that comes after it, uncommitted', async () => {
    const user = db.connect();
    await user`begin`;
    await restore([1, 2], '', 'app.items', user);
    expect((await runPurge(db)).report).toMatchObject({ rowsPurged: 8, rowsLeft: 2 });
    await user`commit`;
    expect(await idsOf(db.sql, 'app.items')).toEqual([1, 2, 11]);
    expect((await runPurge(db)).report).toMatchObject({ rowsPurged: 0, rowsLeft: 0 });
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
