import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { batchRows, beginBatches, inOpenTransaction, letSlicesWait } from '../support/batches.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';
import { until, waiting } from '../support/waiting.ts';

const items = 'app.items';
const rowCount = 20_000;
const dueCount = 10_000;
const isLive = (id: number) => id % 2 === 0;
const live = range(1, rowCount).filter(isLive);

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

/** Every other row is due, in no order that an index would be of use for. */
async function createItems(): Promise<void> {
  await db.sql.unsafe(`
    create table app.items (id integer primary key, code text not null, deleted_at timestamptz, unique (id, code));
    insert into app.items
    select id, 'C' || id, case when id % 2 = 1 then now() - interval '40 days' - id * 7919 % ${rowCount} * interval '1 second' end
    from generate_series(1, ${rowCount}) id;
    create index on app.items (deleted_at);
    analyze app.items;
    select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
  `);
}

const parts = (reference: string) => `
  create table app.parts (id serial primary key, item_id integer ${reference});
  create index on app.parts (item_id);
`;
const plain = 'references app.items';

describe('rows that others could refer to', () => {
  it.each([plain, `${plain} on delete restrict`])(
    'go unseen where nobody does: %s',
    async (reference) => {
      await createItems();
      await db.sql.unsafe(parts(reference));
      await db.sql`insert into app.parts (item_id) select id from app.items where id % 2 = 0`;
      const run = await beginBatches(db.sql, items);
      expect(await run.batch()).toMatchObject({ bySlices: true });
      const step = await run.finish();
      expect(step).toMatchObject({ rowsPurged: dueCount, rowsBlocked: 0, rowsPassedOver: 0 });
      expect(await idsOf(db.sql, items)).toEqual(live);
    },
  );

  it.each([
    ['one that deletes', parts(`${plain} on delete cascade`)],
    ['one that is checked late', parts(`${plain} deferrable initially deferred`)],
    ['one without an index', 'create table app.parts (item_id integer references app.items)'],
    ['one that is switched off', `${parts(plain)} alter table app.items disable trigger all`],
  ])('are looked at where it is another key: %s', async (_, statements) => {
    await createItems();
    await db.sql.unsafe(statements);
    const run = await beginBatches(db.sql, items);
    expect(await run.batch()).toMatchObject({ bySlices: false, done: false });
    expect(await run.finish()).toMatchObject({ rowsPurged: dueCount });
  });
});

describe('rows that others refer to', () => {
  it('stay where the foreign keys are switched off', async () => {
    await createItems();
    await db.sql.unsafe(`${parts(plain)}
      insert into app.parts (item_id) values (1), (9999);
      alter table app.items disable trigger all`);
    const step = stepOf(await runPurge(db), items);
    expect(step).toMatchObject({ rowsPurged: dueCount - 2, rowsBlocked: 2 });
    expect(await idsOf(db.sql, items)).toEqual([1, ...live, 9999].toSorted((a, b) => a - b));
  });

  const blocked = range(1, rowCount).filter((id) => id % 40 === 1);
  it.each([
    ['one key', parts(plain), 'insert into app.parts (item_id)', 'item_id'],
    [
      'a partitioned table',
      `create table app.parts (id serial, item_id integer ${plain}) partition by range (item_id);
       create table app.parts_1 partition of app.parts for values from (0) to (10000);
       create table app.parts_2 partition of app.parts default;
       create index on app.parts (item_id);`,
      'insert into app.parts (item_id)',
      'item_id',
    ],
    [
      'two columns',
      `create table app.parts (
         id serial primary key, item_id integer, code text collate "C",
         constraint parts_item_id_fkey foreign key (item_id, code) references app.items (id, code) match full
       );
       create index on app.parts (code, item_id);`,
      "insert into app.parts (code, item_id) select 'C' || item_id, item_id from (",
      'item_id',
    ],
  ])('stay, and count for the key that holds them: %s', async (_, statements, insert) => {
    await createItems();
    await db.sql.unsafe(statements);
    const some = 'select id as item_id from app.items where id % 40 = 1';
    await db.sql.unsafe(insert.endsWith('(') ? `${insert}${some}) s` : `${insert} ${some}`);
    await db.sql`analyze app.parts`;
    const run = await beginBatches(db.sql, items);
    const held = {
      rowsBlocked: blocked.length,
      blockedBy: { 'parts_item_id_fkey on app.parts': blocked.length },
    };
    expect(await run.finish()).toMatchObject({ rowsPurged: dueCount - blocked.length, ...held });
    // A slice has 64 blocks at least, and thousands of rows.
    expect(run.largest).toBeGreaterThan(2 * batchRows);
    expect(stepOf(await runPurge(db), items)).toMatchObject({
      status: 'partial',
      rowsPurged: 0,
      rowsLeft: blocked.length,
      ...held,
    });
    const stay = [...live, ...blocked].toSorted((a, b) => a - b);
    expect(await idsOf(db.sql, items)).toEqual(stay);
  });

  it('stay where they begin to be referred to while the purge waits for them', async () => {
    await createItems();
    await db.sql.unsafe(parts(plain));
    await letSlicesWait(db.sql, true);
    const user = await inOpenTransaction(db, 'insert into app.parts (item_id) values (999)');
    const run = await beginBatches(db.sql, items);
    const batch = run.batch();
    await until('the purge waits', async () => (await waiting(db.sql, 'purge_batch')) === 1);
    await user`commit`;
    await batch;
    expect(await run.finish()).toMatchObject({ rowsPurged: dueCount - 1, rowsBlocked: 1 });
    expect(await idsOf(db.sql, items)).toContain(999);
  });
  afterEach(() => letSlicesWait(db.sql, false));

  it('stay where somebody is about to refer to them', async () => {
    await createItems();
    await db.sql.unsafe(parts(plain));
    const user = await inOpenTransaction(db, 'insert into app.parts (item_id) values (9999)');
    expect(stepOf(await runPurge(db), items)).toMatchObject({
      rowsPurged: dueCount - 1,
      rowsLeft: 1,
    });
    await user`commit`;
    expect(await idsOf(db.sql, 'app.parts')).toEqual([1]);
    expect(await idsOf(db.sql, items)).toContain(9999);
  });

  it('are never left without what they refer to, whoever inserts meanwhile', async () => {
    await createItems();
    await db.sql.unsafe(parts(plain));
    const user = db.connect();
    let isOver = false;
    const inserting = (async () => {
      let missing = 0;
      for (let id = 1; !isOver; id = (id + 7_920) % rowCount) {
        await user`insert into app.parts (item_id) values (${id})`.catch(
          (error: { code: string }) => {
            expect(error.code).toBe('23503');
            missing++;
          },
        );
      }
      return missing;
    })();
    const result = await runPurge(db);
    isOver = true;
    await inserting;
    const orphans = await db.sql`
      select from app.parts p where not exists (select from app.items i where i.id = p.item_id)`;
    expect(orphans.length).toBe(0);
    expect(stepOf(result, items).rowsPurged).toBe(rowCount - (await idsOf(db.sql, items)).length);
  });
});
