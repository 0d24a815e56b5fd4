import { createClient } from '@supabase/supabase-js';
import type { Sql } from 'postgres';
import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { deletedIds, runPurge } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';
import { until } from '../support/waiting.ts';

const answer = z.strictObject({
  restored: z.number(),
  notFound: z.number(),
  notDeleted: z.number(),
  failed: z.array(
    z.strictObject({
      id: z.string(),
      code: z.string(),
      constraint: z.string().nullable(),
      raisedIn: z.string().nullable(),
    }),
  ),
});
const clean = { notFound: 0, notDeleted: 0, failed: [] };

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql`delete from nightshift.restores`;
});

async function restore(ids: unknown[], relation = 'app.items', sql: Sql = db.sql) {
  const [row] = await sql.unsafe('select nightshift.restore_rows($1, $2::text[]) as answer', [
    relation,
    ids.map(String),
  ]);
  return answer.parse(row?.answer);
}

const recorded = () =>
  db.sql`select relation_name, restored, failed, reasons from nightshift.restores order by id`;

/** Ten items that were deleted forty days ago, and an eleventh that was not. */
async function createItems(columns = ''): Promise<void> {
  await db.sql.unsafe(`
    create table app.items (id integer primary key, name text, deleted_at timestamptz ${columns});
    insert into app.items (id, name, deleted_at)
    select id, 'item ' || id, case when id <= 10 then now() - interval '40 days' end from generate_series(1, 11) id;
    create index on app.items (deleted_at);
    select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
  `);
}

const deleted = (where = 'deleted_at is not null') => idsOf(db.sql, `app.items where ${where}`);

describe('restoring rows', () => {
  it('takes the mark off those that are asked for, counts what was not deleted or not there, and says so', async () => {
    await createItems();
    expect(await restore([3, 1, 1, '02', 11, 99])).toEqual({
      restored: 3,
      notFound: 1,
      notDeleted: 1,
      failed: [],
    });
    expect(await deleted()).toEqual(range(4, 10));
    expect(await recorded()).toEqual([
      { relation_name: 'app.items', restored: 3, failed: 0, reasons: [] },
    ]);
    expect(await restore([1, 2, 3])).toEqual({
      restored: 0,
      notFound: 0,
      notDeleted: 3,
      failed: [],
    });
    expect(await restore([])).toEqual({ restored: 0, ...clean });
  });

  it('keeps what was restored from the purge', async () => {
    await createItems();
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
      create index on app."Product" ("deletedAt");
      select nightshift.add_retention_policy('app."Product"', '30 days', 'deletedAt', 'isDeleted', max_fraction => 1);
    `);
    const ids = await db.sql<
      { id: string }[]
    >`select upper(md5(n::text)) as id from generate_series(5, 10) n`;
    // Two have no flag, and were never deleted.
    expect(
      await restore(
        ids.map(({ id }) => id),
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
    await expect(restore(['x'], 'app."Product 0"')).rejects.toMatchObject({ code: 'NS404' });
  });

  it('leaves rows alone whose marker says never', async () => {
    await createItems();
    await db.sql`update app.items set deleted_at = '-infinity' where id = 1`;
    expect(await restore([1, 2])).toEqual({ ...clean, restored: 1, notDeleted: 1 });
  });

  it('finds no other row by an id that is too long for its column', async () => {
    await db.sql.unsafe(`
      create table app.codes (code varchar(3) primary key, padded char(4) not null default '', deleted_at date);
      insert into app.codes values ('abc', '', now() - interval '40 days');
      create index on app.codes (deleted_at);
      select nightshift.add_retention_policy('app.codes', '30 days', max_fraction => 1);
    `);
    expect(await restore(['abcd'], 'app.codes')).toEqual({ ...clean, restored: 0, notFound: 1 });
    expect(await restore(['abc'], 'app.codes')).toEqual({ ...clean, restored: 1 });
  });
});

describe('a row that cannot come back', () => {
  it('is reported by SQLSTATE, constraint and place in the code, and keeps no other back', async () => {
    await createItems(`, owner_id integer, price integer`);
    await db.sql.unsafe(`
      create table app.owners (id integer primary key);
      create unique index "live name" on app.items (name) where deleted_at is null;
      alter table app.items add check (deleted_at is not null or price is distinct from -1);
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
      insert into app.items (id, name) values (20, 'item 2');
      update app.items set price = -1 where id = 3;
    `);
    const { failed, ...counts } = await restore(range(1, 10));
    expect(counts).toEqual({ restored: 3, notFound: 0, notDeleted: 0 });
    expect(failed).toEqual([
      { id: '2', code: '23505', constraint: 'live name', raisedIn: null },
      { id: '3', code: '23514', constraint: 'items_check', raisedIn: null },
      { id: '4', code: 'P0001', constraint: null, raisedIn: 'line 3 of app.refuse()' },
      { id: '5', code: 'PT409', constraint: null, raisedIn: 'line 4 of app.refuse()' },
      { id: '6', code: 'NS422', constraint: null, raisedIn: null },
      { id: '7', code: 'NS422', constraint: null, raisedIn: null },
      { id: '8', code: '23503', constraint: 'owner', raisedIn: null },
    ]);
    expect(await deleted()).toEqual(range(2, 8));
    const [record] = await recorded();
    expect(record).toMatchObject({ restored: 3, failed: 7 });
    expect(record?.reasons).toHaveLength(6);
    expect(record?.reasons[0]).toEqual({
      code: 'NS422',
      constraint: null,
      raisedIn: null,
      rows: 2,
    });
    expect(JSON.stringify(record)).not.toContain('secret');
  });

  it('fires triggers with the search path of the application', async () => {
    await createItems();
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
  beforeEach(() => createItems());
  const refused = (code: string, message: RegExp) => ({
    code,
    message: expect.stringMatching(message),
    hint: expect.stringMatching(/\.|;/),
  });

  it.each([
    ['an id that is no value of the key', ['1', 'x'], /not a value of id .* integer/],
    ['an id out of its range', ['99999999999'], /not a value of id/],
    ['more than 1,000 ids', range(1, 1001), /1001 ids/],
  ])('%s', async (_, ids, message) => {
    await expect(restore(ids)).rejects.toMatchObject(refused('NS422', message));
    expect(await deleted()).toEqual(range(1, 10));
  });

  it('no ids, or one that is null', async () => {
    for (const ids of ['null', 'array[null]']) {
      await expect(
        db.sql.unsafe(`select nightshift.restore_rows('app.items', ${ids}::text[])`),
      ).rejects.toMatchObject(refused('NS422', /none of them null/));
    }
  });

  it.each([
    ['no primary key', 'alter table app.items drop constraint items_pkey', /no primary key/],
    [
      'one of two columns',
      'alter table app.items drop constraint items_pkey, add primary key (id, name)',
      /has 2 columns/,
    ],
    [
      'a marker that every row has',
      'delete from app.items where deleted_at is null; alter table app.items alter deleted_at set not null',
      /cannot be null/,
    ],
    [
      'a marker that is gone',
      'alter table app.items rename deleted_at to removed_at',
      /no column deleted_at/,
    ],
  ])('%s', async (_, statement, message) => {
    await db.sql.unsafe(statement);
    await expect(restore([1])).rejects.toMatchObject(refused('NS422', message));
  });

  it('a table without a policy', async () => {
    await db.sql`select nightshift.remove_retention_policy('app.items')`;
    await expect(restore([1])).rejects.toMatchObject(refused('NS404', /no retention policy/));
  });

  it('the table of a stranger, whose triggers would run with other rights', async () => {
    await db.sql.unsafe(`
      do $$ begin create role stranger; exception when duplicate_object then null; end $$;
      create role keeper bypassrls in role service_role;
      grant create on schema nightshift to keeper;
      alter function nightshift.restore_rows owner to keeper;
      grant all on all tables in schema nightshift to keeper;
      grant execute on all functions in schema nightshift to keeper;
      grant usage on schema app to keeper, stranger;
      grant all on app.items to keeper;
      alter table app.items owner to stranger;
    `);
    try {
      await expect(restore([1])).rejects.toMatchObject(refused('NS422', /belongs to stranger/));
    } finally {
      await db.sql.unsafe(`
        alter table app.items owner to current_user;
        alter function nightshift.restore_rows owner to current_user;
        drop owned by keeper; drop role keeper; drop owned by stranger; drop role stranger;
      `);
    }
  });
});

describe('over the Data API', () => {
  const call = async (key: 'secretKey' | 'publishableKey', relation = 'app.items') => {
    const gateway = await db.gateway();
    const client = createClient(gateway.url, gateway[key], { auth: { persistSession: false } });
    return client.schema('nightshift').rpc('restore_rows', { relation, ids: ['1', '2'] });
  };

  it('restores for service_role where it may update the table, and lists what was done', async () => {
    await createItems();
    await db.sql`grant usage on schema app to service_role`;
    const denied = await call('secretKey');
    expect(denied.error).toMatchObject({
      code: 'NS422',
      message: 'service_role may not update rows of app.items',
      hint: expect.stringContaining('grant update on app.items to service_role;'),
    });
    await db.sql`grant update on app.items to service_role`;
    expect((await call('secretKey')).data).toEqual({ ...clean, restored: 2 });
    const gateway = await db.gateway();
    const client = createClient(gateway.url, gateway.secretKey, {
      auth: { persistSession: false },
    });
    const { data } = await client
      .schema('nightshift')
      .rpc('list_restores', { relation: 'app.items' });
    expect(data).toEqual([
      { at: expect.any(String), relation: 'app.items', restored: 2, failed: 0, reasons: [] },
    ]);
  });

  it('is not there for anon', async () => {
    await createItems();
    await db.sql.unsafe('grant usage on schema app to anon; grant update on app.items to anon');
    expect((await call('publishableKey')).status).toBe(401);
    await expect(
      db.sql.begin(async (sql) => {
        await sql`set local role anon`;
        await sql`select nightshift.restore_rows('app.items', '{1}')`;
      }),
    ).rejects.toMatchObject({ code: '42501' });
    expect(await deleted()).toEqual(range(1, 10));
  });
});

describe('a restore that meets others', () => {
  beforeEach(() => createItems());

  it('waits for a user, and looks again under the lock', async () => {
    const user = db.connect();
    await user`begin`;
    await user`update app.items set deleted_at = null where id = 1`;
    await user`delete from app.items where id = 2`;
    const restoring = restore([1, 2, 3]);
    await until('it waits for the row', async () => {
      const waiting = await db.sql`
        select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%restore_rows%'`;
      return waiting.length > 0;
    });
    await user`commit`;
    expect(await restoring).toEqual({ ...clean, restored: 1, notFound: 1, notDeleted: 1 });
  });

  it('gives up a row that stays locked, and restores the others', async () => {
    const user = db.connect();
    await user`begin`;
    await user`select from app.items where id in (2, 4, 6) for update`;
    const { restored, failed } = await restore(range(1, 10));
    expect(restored).toBe(7);
    expect(failed).toEqual(
      [2, 4, 6].map((id) => ({ id: String(id), code: '55P03', constraint: null, raisedIn: null })),
    );
    await user`rollback`;
  });

  it('either finds a row or finds it purged: none is both restored and gone', async () => {
    await db.sql.unsafe(`
      insert into app.items (id, name, deleted_at)
      select id, id::text, now() - interval '40 days' from generate_series(1001, 7000) id;
      create table app.deleted (relation text not null, id bigint not null);
      create function app.audit() returns trigger language plpgsql set search_path = '' as $$
      begin insert into app.deleted values (tg_table_name, old.id); return null; end $$;
      create trigger audit after delete on app.items for each row execute function app.audit();
    `);
    const ids = range(1001, 7000);
    let purging = true;
    let restored = 0;
    const restoreAtRandom = async (session: Sql, step: number) => {
      for (let n = 0; purging; n++) {
        const some = range(0, 9).map((k) => ids[((n * 10 + k) * step) % ids.length]);
        const result = await restore(some, 'app.items', session);
        expect(result.failed).toEqual([]);
        restored += result.restored;
      }
    };
    const users = [2_741, 5_077].map((step) => restoreAtRandom(db.connect(), step));
    await runPurge(db, {}, { batchRows: 400 });
    purging = false;
    await Promise.all(users);

    const gone = new Set(await deletedIds(db.sql));
    const alive = await deleted('deleted_at is null and id > 1000');
    expect(restored).toBeGreaterThan(0);
    expect(alive).toHaveLength(restored);
    expect(alive.filter((id) => gone.has(id))).toEqual([]);
    await runPurge(db);
    expect((await deletedIds(db.sql)).length).toBe(6_010 - restored);
  });

  it('keeps a row from the batch that comes after it, uncommitted', async () => {
    const user = db.connect();
    await user`begin`;
    await restore([1, 2], 'app.items', user);
    expect((await runPurge(db)).report).toMatchObject({ rowsPurged: 8, rowsLeft: 2 });
    await user`commit`;
    expect(await idsOf(db.sql, 'app.items')).toEqual([1, 2, 11]);
    expect((await runPurge(db)).report).toMatchObject({ rowsPurged: 0, rowsLeft: 0 });
  });
});

describe('the record of restores', () => {
  it('is trimmed with the ledger', async () => {
    await createItems();
    await restore([1]);
    await db.sql`update nightshift.restores set at = now() - interval '91 days'`;
    await restore([2]);
    const rows = await recorded();
    expect(rows).toHaveLength(1);
  });
});
