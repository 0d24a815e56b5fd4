import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { batchRows, beginBatches, inOpenTransaction, letSlicesWait } from '../support/batches.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';
import { until, waiting } from '../support/waiting.ts';

const orders = 'app.orders';
const rowCount = 6_000;
const dueCount = 3_000;
/** Three of each order, numbered so that an item's order can be told from its id. */
const itemsOf = (order: number) => [order * 10 + 1, order * 10 + 2, order * 10 + 3];
const ids = (from: number[]) => from.toSorted((a, b) => a - b);
const all = range(1, rowCount);
const live = all.filter((id) => id % 2 === 0);

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const plain = 'references app.orders';
const oneTable = (reference = plain) => `
  create table app.items (id integer primary key, order_id integer ${reference}, note text);
  create index on app.items (order_id);`;
const fillItems =
  'insert into app.items select o.id * 10 + n, o.id from app.orders o, generate_series(1, 3) n;';

/** Every other order is due, in no order that an index would be of use for. */
async function createOrders(children = oneTable(), withChildren = ['app.items'], fill = fillItems) {
  await db.sql.unsafe(`
    create table app.orders (id integer primary key, code text not null, deleted_at timestamptz, unique (id, code));
    insert into app.orders
    select id, 'C' || id, case when id % 2 = 1 then now() - interval '40 days' - id * 7919 % ${rowCount} * interval '1 second' end
    from generate_series(1, ${rowCount}) id;
    create index on app.orders (deleted_at);
    ${children}
    -- The keys are as they should be: to look at each of them takes longer than what is tested.
    set local session_replication_role = replica;
    ${fill}`);
  const tables = await db.sql<{ name: string }[]>`
    select oid::regclass::text as name from pg_class where relnamespace = 'app'::regnamespace and relkind in ('r', 'p')`;
  await db.sql.unsafe(`analyze ${tables.map(({ name }) => name).join(', ')}`);
  await db.sql`
    select nightshift.add_retention_policy(${orders}, '30 days', max_fraction => 1, with_children => ${withChildren})`;
}

describe('children that may go unseen', () => {
  it.each([
    ['a key that just refuses', plain],
    ['a key that restricts', `${plain} on delete restrict`],
    ['a key that cascades', `${plain} on delete cascade`],
  ])('go with the rows that they refer to, and count: %s', async (_, reference) => {
    await createOrders(oneTable(reference));
    const run = await beginBatches(db.sql, orders);
    expect(await run.batch()).toMatchObject({ bySlices: true });
    expect(await run.finish()).toMatchObject({
      rowsPurged: dueCount,
      children: { 'app.items': 3 * dueCount },
    });
    expect(run.largest).toBeGreaterThan(2 * batchRows);
    expect(await idsOf(db.sql, orders)).toEqual(live);
    expect(await idsOf(db.sql, 'app.items')).toEqual(live.flatMap(itemsOf));
  });

  it('go through levels, composite keys, partitions and odd names', async () => {
    const parts = 'app."Parts of ""items"""';
    await createOrders(
      `create table app.items (
         id integer primary key, "order" integer, code text,
         foreign key ("order", code) references app.orders (id, code) match full on delete cascade
       );
       create index on app.items (code, "order");
       create table ${parts} (id integer, "Item" integer references app.items) partition by range (id);
       create table app.parts_1 partition of ${parts} for values from (0) to (30000);
       create table app.parts_2 partition of ${parts} default;
       create index on ${parts} ("Item");`,
      ['app.items', parts],
      `insert into app.items select id * 10 + 1, id, code from app.orders;
       insert into ${parts} select id, id from app.items;`,
    );
    const run = await beginBatches(db.sql, orders);
    expect(await run.batch()).toMatchObject({ bySlices: true });
    expect(await run.finish()).toMatchObject({
      rowsPurged: dueCount,
      children: { 'app.items': dueCount, [parts]: dueCount },
    });
    const items = live.map((id) => id * 10 + 1);
    expect(await idsOf(db.sql, 'app.items')).toEqual(items);
    expect(await idsOf(db.sql, parts)).toEqual(items);
  });

  it('go from more tables than a function of Postgres takes in, and those that lose none are not named', async () => {
    const tables = range(1, 51).map((n) => `app.items_${n}`);
    await createOrders(
      tables.map((t) => oneTable().replaceAll('app.items', t)).join('\n'),
      tables,
      tables
        .slice(1)
        .map((t) => `insert into ${t} select id, id from app.orders where id <= 4;`)
        .join('\n'),
    );
    const run = await beginBatches(db.sql, orders);
    expect(await run.batch()).toMatchObject({ bySlices: true });
    const { children } = await run.finish();
    expect(children).toEqual(Object.fromEntries(tables.slice(1).map((t) => [t, 2])));
    expect(await idsOf(db.sql, orders)).toEqual(live);
    for (const table of tables.slice(1)) expect(await idsOf(db.sql, table)).toEqual([2, 4]);
  });

  it('stay with their parents where something holds one of them, and the others go', async () => {
    await createOrders(`${oneTable()}
      create table app.claims (id integer primary key, item_id integer references app.items);
      create index on app.claims (item_id);`);
    const held = all.filter((id) => id % 40 === 1);
    await db.sql`insert into app.claims select id, id from app.items where id % 400 = 12`;
    const run = await beginBatches(db.sql, orders);
    const step = await run.finish();
    expect(step).toMatchObject({
      rowsPurged: dueCount - held.length,
      rowsBlocked: held.length,
      blockedBy: { 'claims_item_id_fkey on app.claims': held.length },
      children: { 'app.items': 3 * (dueCount - held.length) },
    });
    expect(run.largest).toBeGreaterThan(2 * batchRows);
    const stay = ids([...live, ...held]);
    expect(await idsOf(db.sql, orders)).toEqual(stay);
    expect(await idsOf(db.sql, 'app.items')).toEqual(stay.flatMap(itemsOf));
  });
});

describe('children that have to be looked at', () => {
  /** Keeps one child silently. */
  const trigger = `
    create function app.keep_one() returns trigger language plpgsql as
      'begin if old.id = 29991 then return null; end if; return old; end';
    create trigger keep_one before delete on app.items for each row execute function app.keep_one();`;
  it.each([
    [
      'a key that is checked late',
      oneTable(`${plain} deferrable initially deferred`),
      ['app.items'],
    ],
    [
      'reached in two ways',
      `${oneTable()} alter table app.items add again integer ${plain}; create index on app.items (again);`,
      ['app.items(order_id)', 'app.items(again)'],
    ],
    [
      'children of each other',
      `${oneTable()} alter table app.items add other integer references app.items; create index on app.items (other);`,
      ['app.items'],
    ],
  ])('are chosen first: %s', async (_, children, names) => {
    await createOrders(children, names, fillItems.replace('select', '(id, order_id) select'));
    const run = await beginBatches(db.sql, orders);
    expect(await run.batch()).toMatchObject({ bySlices: false, done: false });
    expect(await run.finish()).toMatchObject({
      rowsPurged: dueCount,
      children: { 'app.items': 3 * dueCount },
    });
    expect(await idsOf(db.sql, 'app.items')).toEqual(live.flatMap(itemsOf));
  });

  it('are those of so many rows with one value of the marker that nobody knows what time they would take', async () => {
    await createOrders();
    // The orders that are due lie too far apart for a sweep.
    await db.sql.unsafe(`
      insert into app.orders select id, 'C' || id from generate_series(${rowCount + 1}, ${11 * rowCount}) id;
      update app.orders set deleted_at = now() - interval '40 days' where deleted_at is not null;
      analyze app.orders`);
    const run = await beginBatches(db.sql, orders);
    expect(await run.batch()).toMatchObject({ bySlices: false });
    expect(await run.finish()).toMatchObject({
      rowsPurged: dueCount,
      children: { 'app.items': 3 * dueCount },
    });
  });

  it('are those of a table with a trigger', async () => {
    await createOrders(oneTable() + trigger);
    const run = await beginBatches(db.sql, orders);
    expect(await run.batch()).toMatchObject({ bySlices: false });
    expect(await run.finish()).toMatchObject({ rowsPurged: dueCount - 1, rowsRefused: 1 });
    expect(await idsOf(db.sql, orders)).toEqual(ids([...live, 2999]));
  });

  it('are those of a table that has a trigger from now on', async () => {
    await createOrders();
    const user = await inOpenTransaction(db, 'select from app.orders where id = 1 for update');
    const run = await beginBatches(db.sql, orders);
    await run.batch();
    await user`commit`;
    await db.sql.unsafe(trigger);
    expect(await run.finish()).toMatchObject({ rowsRefused: 1 });
    const left = await idsOf(db.sql, orders);
    expect(left).toContain(2999);
    expect(await idsOf(db.sql, 'app.items')).toEqual(left.flatMap(itemsOf));
  });
});

describe.each([
  ['just refuses', plain],
  ['cascades', `${plain} on delete cascade`],
])('in a race, where the key %s', (_, reference) => {
  beforeEach(async () => {
    await createOrders(oneTable(reference));
    await letSlicesWait(db.sql, true);
  });
  afterEach(() => letSlicesWait(db.sql, false));

  /** The purge waits for a row in use; then the other session commits, and the purge ends. */
  async function raceWith(statement: string) {
    const user = await inOpenTransaction(db, statement);
    const run = await beginBatches(db.sql, orders);
    const batch = run.batch();
    await until('the purge waits', async () => (await waiting(db.sql, 'purge_batch')) === 1);
    await user`commit`;
    await batch;
    return run.finish();
  }

  it('a restored row keeps its children', async () => {
    const step = await raceWith('update app.orders set deleted_at = null where id = 2999');
    expect(step).toMatchObject({
      rowsPurged: dueCount - 1,
      children: { 'app.items': 3 * (dueCount - 1) },
    });
    const stay = ids([...live, 2999]);
    expect(await idsOf(db.sql, orders)).toEqual(stay);
    expect(await idsOf(db.sql, 'app.items')).toEqual(stay.flatMap(itemsOf));
  });

  it('a child that is given to a row that stays, stays', async () => {
    const step = await raceWith('update app.items set order_id = 2 where id = 29991');
    expect(step).toMatchObject({
      rowsPurged: dueCount,
      children: { 'app.items': 3 * dueCount - 1 },
    });
    expect(await idsOf(db.sql, 'app.items')).toEqual(ids([...live.flatMap(itemsOf), 29_991]));
  });

  it('a child that is changed goes', async () => {
    const step = await raceWith("update app.items set note = 'changed' where id = 29991");
    expect(step).toMatchObject({
      rowsPurged: dueCount,
      children: { 'app.items': 3 * dueCount },
    });
    expect(await idsOf(db.sql, 'app.items')).toEqual(live.flatMap(itemsOf));
  });

  it('a child that comes in between goes as well, and counts', async () => {
    const step = await raceWith('insert into app.items (id, order_id) values (5, 2999)');
    expect(step).toMatchObject({
      rowsPurged: dueCount,
      children: { 'app.items': 3 * dueCount + 1 },
    });
    expect(await idsOf(db.sql, 'app.items')).toEqual(live.flatMap(itemsOf));
  });
});

it('never make a migration fail that locks them first', async () => {
  const tables = ['app.items', 'app.notes'];
  await createOrders(tables.map((t) => oneTable().replaceAll('app.items', t)).join('\n'), tables);
  const run = await beginBatches(db.sql, orders);
  // Between the lock on the orders and the one on the notes.
  const user = await inOpenTransaction(db, 'lock table app.items in share row exclusive mode');
  const migration = await inOpenTransaction(db, 'lock table app.notes in access exclusive mode');
  const batch = run.batch().catch(({ code }: { code: string }) => code);
  await until('the purge waits', async () => (await waiting(db.sql, 'purge_batch')) === 1);
  const migrated = migration`alter table app.orders add note text`.execute();
  await until('it waits too', async () => (await waiting(db.sql, 'alter table')) === 1);
  await user`commit`;
  await migrated;
  await batch;
  await migration`commit`;
  expect(await run.finish()).toMatchObject({ rowsPurged: dueCount });
});

it('are all still there after a kill, with their parents, and the next run takes them', async () => {
  await createOrders();
  await letSlicesWait(db.sql, true);
  const user = await inOpenTransaction(db, 'select from app.items where id = 29991 for update');
  const killed = db.connect();
  const [backend] = await killed`select pg_backend_pid() as pid`;
  const run = await beginBatches(killed, orders);
  const batch = run.batch().catch((error: { code: string }) => error.code);
  await until('the purge waits', async () => (await waiting(db.sql, 'purge_batch')) === 1);
  await db.sql`select pg_terminate_backend(${backend?.pid})`;
  expect(await batch).toMatch(/^(57P01|CONNECTION_CLOSED)$/);
  expect(await idsOf(db.sql, orders)).toEqual(all);
  expect(await idsOf(db.sql, 'app.items')).toEqual(all.flatMap(itemsOf));
  await user`commit`;
  await letSlicesWait(db.sql, false);
  await db.sql`update nightshift.runs set status = 'lost', finished_at = now() where status = 'running'`;
  expect(stepOf(await runPurge(db), orders)).toMatchObject({
    rowsPurged: dueCount,
    children: { 'app.items': 3 * dueCount },
  });
});

it('none is ever left without its parent, or lost without it, whoever writes meanwhile', async () => {
  await createOrders();
  const user = db.connect();
  let isOver = false;
  const writing = (async () => {
    for (let id = 1; !isOver; id = (id + 3_163) % rowCount) {
      const write =
        id % 3 === 0
          ? user`update app.orders set deleted_at = null where id = ${id}`
          : user`insert into app.items (id, order_id) values (${1_000_000 + id}, ${id})`;
      await write.catch(({ code }: { code: string }) => expect(['23503', '23505']).toContain(code));
    }
  })();
  const result = stepOf(await runPurge(db), orders);
  isOver = true;
  await writing;
  const left = await idsOf(db.sql, orders);
  const items = await idsOf(db.sql, 'app.items');
  expect(items.filter((id) => id < 1_000_000)).toEqual(left.flatMap(itemsOf));
  const orphans = await db.sql`
    select from app.items i where not exists (select from app.orders o where o.id = i.order_id)`;
  expect(orphans.length).toBe(0);
  expect(result.rowsPurged).toBe(rowCount - left.length);
});
