import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { holdTransaction } from '../support/health.ts';
import { runPurge, stepOf } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

/** Five due orders and as many due carts. An item in each of two partitions refers to an order. */
async function createOrders(action: string, roles = ''): Promise<void> {
  await db.sql.unsafe(`
    create table app.orders (id integer primary key, deleted_at timestamptz);
    create table app.carts (id integer primary key, deleted_at timestamptz);
    create table app.items (id integer, order_id integer references app.orders ${action}) partition by range (id);
    create table app.items_1 partition of app.items for values from (0) to (10);
    create table app.items_2 partition of app.items for values from (10) to (20);
    create index on app.items (order_id);
    insert into app.orders select id, now() - interval '40 days' from generate_series(1, 5) id;
    insert into app.carts select id, now() - interval '40 days' from generate_series(1, 5) id;
    insert into app.items values (1, 1), (11, 2);
    select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 1 ${roles});
    select nightshift.add_retention_policy('app.carts', '30 days', max_fraction => 1);
  `);
}

/** As when the session that detaches ends while it waits for who reads the table. */
async function interruptDetach(parent: string, partition: string): Promise<void> {
  const release = await holdTransaction(db, `select from ${parent}`);
  const session = db.connect();
  const [backend] = await session`select pg_backend_pid() as pid`;
  const detaching = session
    .unsafe(`alter table ${parent} detach partition ${partition} concurrently`)
    .catch((error) => error.code);
  await until('it is half detached', async () => {
    const pending = await db.sql`select from pg_inherits where inhdetachpending`;
    return pending.length > 0;
  });
  await db.sql`select pg_cancel_backend(${backend?.pid})`;
  expect(await detaching).toBe('57014');
  await release();
}

describe('a partition that is half detached, with rows that refer to due ones', () => {
  it.each([
    ['hold', '', ''],
    ['hold, whatever their key deletes', 'on delete cascade', ''],
    ['go along', '', ", with_children => array['app.items']"],
    ['are released', 'on delete set null', ", release => array['app.items']"],
    ['are kept', '', ", keep => array['app.items']"],
  ])(
    'costs only what they refer to its turn, until it is finished: they %s',
    async (_, action, roles) => {
      await createOrders(action, roles);
      await interruptDetach('app.items', 'app.items_1');
      const result = await runPurge(db);
      expect(stepOf(result, 'app.carts')).toMatchObject({ status: 'succeeded', rowsPurged: 5 });
      const { rowsPurged, error } = stepOf(result, 'app.orders');
      expect(rowsPurged).toBe(0);
      expect(error).toMatchObject({
        code: 'NS425',
        message: expect.stringContaining('app.items_1 is half detached from app.items'),
      });
      expect(await idsOf(db.sql, 'app.orders')).toEqual(range(1, 5));

      await db.sql.unsafe(/alter table .* finalize;/.exec(error?.hint ?? '')?.[0] ?? '');
      await runPurge(db);
      // Its key is one of its own now, of which no policy says anything.
      expect(await idsOf(db.sql, 'app.orders')).toContain(1);
      expect(await idsOf(db.sql, 'app.items_1')).toEqual([1]);
    },
  );

  it.each([
    ['rows that are chosen first', 100],
    ['rows that go by slices', 1_000],
  ])('is noticed when that begins in mid-run: %s', async (_, batchRows) => {
    await createOrders('');
    await db.sql`
      insert into app.orders select id, now() - interval '40 days' from generate_series(6, 2000) id`;
    const beforeBatch = (_nth: number, relation: string) => relation === 'app.orders' && halfOnce();
    const result = await runPurge(db, {}, { batchRows, beforeBatch });
    expect(stepOf(result, 'app.carts')).toMatchObject({ status: 'succeeded', rowsPurged: 5 });
    expect(stepOf(result, 'app.orders')).toMatchObject({ rowsPurged: 0, error: { code: 'NS425' } });
    expect(await idsOf(db.sql, 'app.orders')).toEqual(range(1, 2000));
  });

  async function halfOnce() {
    const pending = await db.sql`select from pg_inherits where inhdetachpending`;
    if (pending.length === 0) await interruptDetach('app.items', 'app.items_1');
  }

  it('is no matter where nothing is due', async () => {
    await createOrders('');
    await db.sql`update app.orders set deleted_at = null`;
    await interruptDetach('app.items', 'app.items_1');
    expect(stepOf(await runPurge(db), 'app.orders')).toMatchObject({ status: 'succeeded' });
  });
});

it('a partition of the purged table that is half detached keeps its rows, and the others are purged', async () => {
  await db.sql.unsafe(`
    create table app.logs (id integer, deleted_at timestamptz) partition by range (id);
    create table app.logs_1 partition of app.logs for values from (0) to (10);
    create table app.logs_2 partition of app.logs for values from (10) to (20);
    insert into app.logs select id, now() - interval '40 days' from generate_series(1, 19) id;
    select nightshift.add_retention_policy('app.logs', '30 days', max_fraction => 1);
  `);
  await interruptDetach('app.logs', 'app.logs_1');
  expect(stepOf(await runPurge(db), 'app.logs')).toMatchObject({
    status: 'succeeded',
    rowsPurged: 10,
  });
  expect(await idsOf(db.sql, 'app.logs_1')).toEqual(range(1, 9));
});
