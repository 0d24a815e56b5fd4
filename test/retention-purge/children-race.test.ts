import type { Sql } from 'postgres';
import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { auditDeletes, runPurge, stepOf } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();
const oneByOne = { batchRows: 1 };

/** Six due orders, purged one a batch in the order of their ids, with five items each: those of order 5 are 4, 10, 16, 22, 28. */
async function createOrders(action: string): Promise<void> {
  await db.sql.unsafe(`
    create table app.orders (id integer primary key, deleted_at timestamptz);
    create table app.items (id integer primary key, order_id integer references app.orders on delete ${action}, note text);
    insert into app.orders
    select id, case when id <= 6 then now() - interval '40 days' + id * interval '1 minute' end from generate_series(1, 7) id;
    insert into app.items select id, 1 + id % 6 from generate_series(0, 29) id;
    create index on app.orders (deleted_at);
    create index on app.items (order_id);
    select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 1, with_children => array['app.items']);
  `);
  await auditDeletes(db.sql, 'app.orders');
}

const itemsOfFive = range(0, 29).filter((id) => id % 6 === 4);

/** Opens a transaction in a session of its own and leaves it open. */
async function inOpenTransaction(statement: string): Promise<Sql> {
  const session = db.connect();
  await session`begin`;
  await session.unsafe(statement);
  return session;
}

describe.each(['no action', 'restrict', 'cascade'])(
  'an order with items, on delete %s',
  (action) => {
    beforeEach(async () => {
      await startAfresh(db.sql);
      await createOrders(action);
    });

    it('that is restored between two batches keeps its items', async () => {
      await runPurge(
        db,
        {},
        {
          ...oneByOne,
          beforeBatch: (nth) =>
            nth === 3 && db.sql`update app.orders set deleted_at = null where id = 5`,
        },
      );
      expect(await idsOf(db.sql, 'app.orders')).toEqual([5, 7]);
      expect(await idsOf(db.sql, 'app.items')).toEqual(itemsOfFive);
    });

    it('that is being restored keeps its items', async () => {
      const user = await inOpenTransaction('update app.orders set deleted_at = null where id = 5');
      await runPurge(db, {}, oneByOne);
      await user`commit`;
      expect(await idsOf(db.sql, 'app.orders')).toEqual([5, 7]);
      expect(await idsOf(db.sql, 'app.items')).toEqual(itemsOfFive);
    });

    it('of which someone changes one stays, with all of them', async () => {
      const user = await inOpenTransaction("update app.items set note = 'x' where id = 4");
      const result = await runPurge(db, {}, oneByOne);
      await user`commit`;
      expect(await idsOf(db.sql, 'app.items')).toEqual(itemsOfFive);
      expect(stepOf(result, 'app.orders')).toMatchObject({
        rowsPurged: 5,
        blockedBy: { 'items_order_id_fkey on app.items': 1 },
      });
    });

    it('that is given one more stays while that is not committed, and takes it along when it is', async () => {
      const user = await inOpenTransaction('insert into app.items values (100, 5)');
      await runPurge(db, {}, oneByOne);
      await user`commit`;
      expect(await idsOf(db.sql, 'app.items')).toEqual([...itemsOfFive, 100]);
      await runPurge(db, {}, oneByOne);
      expect(await idsOf(db.sql, 'app.orders')).toEqual([7]);
      expect(await idsOf(db.sql, 'app.items')).toEqual([]);
    });

    it('loses none that is moved to an order that stays while it is being locked', async () => {
      // As when somebody commits that between the look of the statement that locks and the lock itself.
      await db.sql.unsafe(`
        alter function nightshift.lock_rows rename to lock_rows_before;
        create function nightshift.lock_rows(run nightshift.runs, rows nightshift.row_set[]) returns nightshift.row_set[]
        language plpgsql as $$
        declare
          before constant tid := (select ctid from app.items where id = 4 and order_id = 5);
          moved tid;
          locked nightshift.row_set[] := nightshift.lock_rows_before(run, rows);
        begin
          for n in 1 .. cardinality(locked) loop
            if locked[n].relation = 'app.items'::regclass and before = any(locked[n].tids) then
              update app.items set order_id = 7 where id = 4 returning ctid into moved;
              locked[n].tids := array_replace(locked[n].tids, before, moved);
            end if;
          end loop;
          return locked;
        end $$`);
      try {
        await runPurge(db, {}, oneByOne);
      } finally {
        await db.sql.unsafe(`
          drop function nightshift.lock_rows;
          alter function nightshift.lock_rows_before rename to lock_rows`);
      }
      expect(await idsOf(db.sql, 'app.orders')).toEqual([7]);
      expect(await idsOf(db.sql, 'app.items')).toEqual([4]);
    });

    it('loses none that was moved to an order that stays', async () => {
      await runPurge(
        db,
        {},
        {
          ...oneByOne,
          beforeBatch: (nth) => nth === 2 && db.sql`update app.items set order_id = 7 where id = 4`,
        },
      );
      expect(await idsOf(db.sql, 'app.items')).toEqual([4]);
    });
  },
);

describe.each(['set null', 'set default'])('an order with an audit, on delete %s', (action) => {
  beforeEach(async () => {
    await startAfresh(db.sql);
    await createOrders('cascade');
    await db.sql.unsafe(`
      create table app.audit (
        id integer primary key, order_id integer default 7 references app.orders on delete ${action}, note text
      );
      insert into app.audit select id, 1 + id % 6 from generate_series(0, 11) id;
      create index on app.audit (order_id);
      select nightshift.alter_retention_policy('app.orders', release => array['app.audit']);
    `);
  });

  const released = action === 'set null' ? null : 7;
  const auditsOf = async (orderId: number | null) => {
    const rows =
      await db.sql`select id from app.audit where order_id is not distinct from ${orderId} order by id`;
    return rows.map(({ id }) => id);
  };

  it('that is restored between two batches keeps its audit', async () => {
    const restore = () => db.sql`update app.orders set deleted_at = null where id = 5`;
    await runPurge(db, {}, { ...oneByOne, beforeBatch: (nth) => nth === 3 && restore() });
    expect(await idsOf(db.sql, 'app.orders')).toEqual([5, 7]);
    expect(await auditsOf(5)).toEqual([4, 10]);
    expect(await idsOf(db.sql, 'app.items')).toEqual(itemsOfFive);
  });

  it('that is being restored keeps its audit', async () => {
    const user = await inOpenTransaction('update app.orders set deleted_at = null where id = 5');
    await runPurge(db, {}, oneByOne);
    await user`commit`;
    expect(await auditsOf(5)).toEqual([4, 10]);
  });

  it('of which someone changes one entry stays with all of it, and no other', async () => {
    const user = await inOpenTransaction("update app.audit set note = 'x' where id = 4");
    const result = await runPurge(db, {}, oneByOne);
    await user`commit`;
    expect(await idsOf(db.sql, 'app.orders')).toEqual([5, 7]);
    expect(await idsOf(db.sql, 'app.items')).toEqual(itemsOfFive);
    expect(await auditsOf(5)).toEqual([4, 10]);
    expect(stepOf(result, 'app.orders')).toMatchObject({
      blockedBy: { 'audit_order_id_fkey on app.audit': 1 },
      released: { 'app.audit': 10 },
    });
  });

  it('that is given one entry more stays while that is not committed, and lets go of it when it is', async () => {
    const user = await inOpenTransaction('insert into app.audit values (100, 5)');
    await runPurge(db, {}, oneByOne);
    await user`commit`;
    expect(await auditsOf(5)).toEqual([4, 10, 100]);
    await runPurge(db, {}, oneByOne);
    expect(await idsOf(db.sql, 'app.orders')).toEqual([7]);
    expect(await auditsOf(released)).toEqual([...range(0, 11), 100]);
  });

  it('lets an entry alone that was moved to an order that stays', async () => {
    const move = () => db.sql`update app.audit set order_id = 7, note = 'x' where id = 4`;
    const result = await runPurge(
      db,
      {},
      { ...oneByOne, beforeBatch: (nth) => nth === 2 && move() },
    );
    expect(await db.sql`select order_id from app.audit where note = 'x'`).toEqual([
      { order_id: 7 },
    ]);
    expect(stepOf(result, 'app.orders').released).toEqual({ 'app.audit': 11 });
  });
});

describe('a migration that swaps names while a batch waits for it', () => {
  beforeEach(() => startAfresh(db.sql));

  /** It begins before the first batch, and commits when that waits for one of its tables. */
  async function purgeBeside(migration: string) {
    let committed: Promise<unknown> | undefined;
    async function migrate() {
      const session = await inOpenTransaction(migration);
      committed = until('the purge waits', async () => {
        const waiting = await db.sql`
          select from pg_locks where locktype = 'relation' and not granted
            and database = (select oid from pg_database where datname = current_database())`;
        return waiting.length > 0;
      }).then(() => session`commit`);
    }
    const result = await runPurge(
      db,
      {},
      { batchRows: 10, beforeBatch: async (nth) => nth === 1 && migrate() },
    );
    await committed;
    return stepOf(result, 'app.orders');
  }

  it.each([
    [
      'tables',
      'alter table app.items rename to items_before; create table app.items (id integer primary key, order_id integer)',
    ],
    [
      'columns',
      'alter table app.items rename order_id to old_id; alter table app.items add order_id integer',
    ],
  ])('leaves the orders that rows still need: %s', async (_, migration) => {
    await db.sql.unsafe(`
      create table app.orders (id integer primary key, deleted_at timestamptz);
      create table app.audit (order_id integer references app.orders);
      create table app.items (id integer primary key, order_id integer references app.orders on delete cascade);
      insert into app.orders select id, now() - interval '40 days' from generate_series(1, 5) id;
      insert into app.items select id, id from generate_series(1, 5) id;
      create index on app.orders (deleted_at);
      create index on app.audit (order_id);
      create index on app.items (order_id);
      select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 1);
    `);
    const step = await purgeBeside(`alter table app.audit add note text; ${migration}`);
    expect(step).toMatchObject({ rowsPurged: 0, rowsBlocked: 5 });
    expect(await idsOf(db.sql, 'app.orders')).toEqual(range(1, 5));
  });

  it('takes no items along that belong to an order which stays', async () => {
    await db.sql.unsafe(`
      create table app.orders (id integer primary key, deleted_at timestamptz);
      create table app.items (id integer primary key, order_id integer references app.orders on delete cascade, place integer);
      insert into app.orders select id, case when id <= 5 then now() - interval '40 days' end from generate_series(1, 7) id;
      insert into app.items select id, 7, id from generate_series(1, 5) id;
      create index on app.orders (deleted_at);
      create index on app.items (order_id);
      create index on app.items (place);
      select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 1, with_children => array['app.items']);
    `);
    const step = await purgeBeside(`
      alter table app.items rename order_id to before;
      alter table app.items rename place to order_id;
      alter table app.items rename before to place`);
    expect(step).toMatchObject({ rowsPurged: 5, children: {} });
    expect(await idsOf(db.sql, 'app.items')).toEqual(range(1, 5));
  });
});
