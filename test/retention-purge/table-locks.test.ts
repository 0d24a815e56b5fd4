import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { beginBatches, inOpenTransaction } from '../support/batches.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { closeGate, runPurge, stepOf } from '../support/purge.ts';
import { idsOf } from '../support/rows.ts';
import { until, waiting } from '../support/waiting.ts';

const orders = 'app.orders';
const orderCount = 1_000;
/** Beyond, a batch deletes slice by slice where it may. */
const chosenFirst = 100;
const bySlices = 1_000;

const db = setUpDatabase();
beforeAll(() => db.sql`alter function nightshift.purge_batch set lock_timeout = '60s'`);
afterAll(() => db.sql`alter function nightshift.purge_batch set lock_timeout = '500ms'`);
beforeEach(() => startAfresh(db.sql));

/** Orders that are all due, with what refers to them, and two items each where there are items. */
async function createOrders(others: string, roles: string): Promise<void> {
  await db.sql.unsafe(`
    create table app.orders (id integer primary key, deleted_at timestamptz, parent_id integer);
    insert into app.orders select id, now() - interval '40 days' - id * interval '1 second' from generate_series(1, ${orderCount}) id;
    create index on app.orders (deleted_at);
    ${others}
    analyze;
    select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 1 ${roles});
  `);
}

const items = (action: string, partitions = '') => `
  create table app.items (id integer, order_id integer default 1 references app.orders ${action}, note text) ${partitions};
  create index on app.items (order_id);
`;
const fill =
  'insert into app.items select id, 1 + id / 2 from generate_series(0, 1999) id where id / 2 < 1000;';
const notes = `
  alter table app.items add unique (id);
  create table app.notes (id integer primary key, item_id integer references app.items (id) on delete cascade, note text);
  create index on app.notes (item_id);
`;
const partitioned = `
  ${items('', 'partition by hash (id)')}
  create table app.items_0 partition of app.items for values with (modulus 2, remainder 0);
  create table app.items_1 partition of app.items for values with (modulus 2, remainder 1);
`;
const circle = `
  alter table app.orders add foreign key (parent_id) references app.orders;
  create index on app.orders (parent_id);
  ${items('')}
  alter table app.items add unique (id), add deleted_at timestamptz, add column first_order integer;
  alter table app.orders add first_item integer references app.items (id);
  create index on app.orders (first_item);
  create index on app.items (deleted_at);
  select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
`;
const asChildren = ", with_children => array['app.items']";

describe('a migration that has locked a table, and then changes a row that is due', () => {
  it.each([
    ['of children', `${items('')} ${fill}`, asChildren, 'create index on app.items (note)'],
    [
      'of children, which it alters',
      `${items('on delete cascade')} ${fill}`,
      asChildren,
      'alter table app.items add place text',
    ],
    [
      'of children of children',
      `${items('')} ${fill} ${notes}`,
      ", with_children => array['app.items', 'app.notes']",
      'create index on app.notes (note)',
    ],
    [
      'that is a partition of children',
      `${partitioned} ${fill}`,
      asChildren,
      'create index on app.items_1 (note)',
    ],
    [
      'that a deletion would cascade to',
      items('on delete cascade'),
      '',
      'create index on app.items (note)',
    ],
    [
      'in which it would set null',
      items('on delete set null'),
      '',
      'create index on app.items (note)',
    ],
    [
      'in which it would set a default',
      items('on delete set default'),
      '',
      'create index on app.items (note)',
    ],
    [
      'that a deletion of children would cascade to',
      `${items('')} ${fill} ${notes}`,
      asChildren,
      'create index on app.notes (note)',
    ],
    [
      'in which references are released',
      `${items('on delete set null')} ${fill}`,
      ", release => array['app.items']",
      'create index on app.items (note)',
    ],
    ['in a circle with it', circle, '', 'create index on app.items (note)'],
    ['that merely refers to it', items(''), '', 'alter table app.items add place text'],
    [
      'that refers to it, one partition of it',
      partitioned,
      '',
      'alter table app.items_1 add check (id > -1)',
    ],
  ])('has the way free: one %s', async (_, others, roles, migration) => {
    await createOrders(others, roles);
    for (const rows of [chosenFirst, bySlices]) {
      const run = await beginBatches(db.sql, orders);
      // Rows of another table may be due only where these were measured.
      await db.sql`
        select nightshift.measure_retention_backlog(r.id, r.fence, p.relation::text)
        from nightshift.runs r, nightshift.retention_policies p where r.status = 'running'`;
      const session = await inOpenTransaction(db, migration);
      const batch = run.batch(rows);
      await until('the purge waits', async () => (await waiting(db.sql, 'purge_batch')) === 1);
      const held = await session`select id from app.orders for update skip locked`;
      expect(held).toHaveLength(orderCount);
      await session`rollback`;
      expect((await batch).step.rowsPurged).toBeGreaterThan(0);
      await db.sql`update nightshift.runs set status = 'lost', finished_at = now() where status = 'running'`;
      await db.sql`truncate app.orders cascade`;
      await db.sql.unsafe(
        `insert into app.orders select id, now() - interval '40 days' from generate_series(1, ${orderCount}) id`,
      );
    }
  });
});

it('an index can be created beside a dry run', async () => {
  await createOrders(`${items('on delete cascade')} ${fill}`, asChildren);
  const session = await inOpenTransaction(db, 'create index on app.items (note)');
  const result = await runPurge(db, { dryRun: true });
  await session`commit`;
  expect(stepOf(result, orders)).toMatchObject({ rowsPurged: orderCount });
  expect(await idsOf(db.sql, orders)).toHaveLength(orderCount);
});

it('an index can be created in mid-batch on a table that no purge changes', async () => {
  await createOrders(items(''), '');
  const gate = await closeGate(db, orders, 500);
  const purge = runPurge(db);
  await gate.reached();
  await db.sql.unsafe(
    "set lock_timeout = '10s'; create index on app.items (note); reset lock_timeout",
  );
  await gate.open();
  expect(stepOf(await purge, orders)).toMatchObject({ rowsPurged: orderCount });
});

describe('several sessions that have tables of a batch one after the other', () => {
  it.each([
    ['2s', 1_200, 800],
    ['500ms', 500, 1],
    ['500ms', 3_600_000, 1],
    ['0', 3_600_000, 0],
  ])('leave of a patience of %s after %i ms: %i', async (patience, elapsedMs, restMs) => {
    const [row] = await db.sql`
      select nightshift.rest_of_patience(${patience}, clock_timestamp() - ${elapsedMs}::integer * interval '1 millisecond')::integer as rest`;
    // What the question takes itself may be off, and no more.
    expect(row?.rest).toBeLessThanOrEqual(restMs);
    expect(row?.rest).toBeGreaterThanOrEqual(Math.min(restMs, 1));
  });

  it('are not waited for so long that a migration which waits for the batch is the one to fail', async () => {
    await createOrders(
      ['first', 'second', 'third']
        .map((name) => `create table app.${name} (order_id integer references app.orders);`)
        .join(''),
      '',
    );
    const [original] = await db.sql`
      select pg_get_functiondef('nightshift.rest_of_patience'::regproc) as definition`;
    // A clock that the test moves on: the batch has all its time until then, and none from then on.
    await db.sql.unsafe(`
      create sequence app.clock;
      create or replace function nightshift.rest_of_patience(lock_timeout text, since timestamptz) returns text
      language plpgsql set search_path = pg_catalog, pg_temp
      as $$ begin return case when (select is_called from app.clock) then '1' else lock_timeout end; end; $$;
      alter function nightshift.purge_batch set deadlock_timeout = '60s';
    `);
    try {
      const run = await beginBatches(db.sql, orders);
      const first = await inOpenTransaction(db, 'lock table app.first');
      const second = await inOpenTransaction(db, 'lock table app.second');
      const migration = await inOpenTransaction(db, 'alter table app.third add place text');
      const batch = run.batch(chosenFirst).catch((error) => error.code);
      await until('the purge waits for the first', () => isAwaited('app.first'));
      const altered = migration`alter table app.orders add place text`.then(
        () => 'altered',
        (error) => error.code,
      );
      await until('the migration waits for the purge', () => isAwaited('app.orders'));
      await first`rollback`;
      await until('the purge waits for the second', () => isAwaited('app.second'));
      await db.sql`select nextval('app.clock')`;
      await second`rollback`;
      expect(await altered).toBe('altered');
      expect(await batch).toBe('NS425');
      await migration`commit`;
    } finally {
      await db.sql.unsafe(original?.definition);
      await db.sql`alter function nightshift.purge_batch reset deadlock_timeout`;
    }
  });

  async function isAwaited(table: string): Promise<boolean> {
    const rows =
      await db.sql`select from pg_locks where relation = ${table}::regclass and not granted`;
    return rows.length > 0;
  }
});
