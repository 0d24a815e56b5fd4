import type { Sql } from 'postgres';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { batchRows, beginBatches, inOpenTransaction, letSlicesWait } from '../support/batches.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';
import { until, waiting } from '../support/waiting.ts';

const items = 'app.items';
const dueCount = 10_000;
const rowCount = 20_000;

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

type Way = 'sweep' | 'index';
/** A row that comes early, one that comes late in the first slice, and the last one. */
const early = { sweep: 999, index: 2321 };
const lateInSlice = { sweep: 2999, index: 679 };
const last = { sweep: 19_999, index: 17_679 };

/** Every other row is due. By the index the purge goes where Postgres believes that hardly any is. */
async function createItems(way: Way = 'sweep'): Promise<void> {
  const due = `now() - interval '40 days' - id * 7919 % ${rowCount} * interval '1 second'`;
  await db.sql.unsafe(`
    create table app.items (id integer primary key, deleted_at timestamptz, note text) with (fillfactor = 50, autovacuum_enabled = off);
    insert into app.items
    select id, ${way === 'sweep' ? `case when id % 2 = 1 then ${due} end` : 'null'}, 'note ' || id from generate_series(1, ${rowCount}) id;
    create index on app.items (deleted_at);
    analyze app.items;
    ${way === 'index' ? `update app.items set deleted_at = ${due} where id % 2 = 1;` : ''}
    select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
  `);
}

/** A tenth is due. Postgres believes far fewer: of two conditions, it cannot know that they always hold together. */
async function createFlaggedItems(index = '(deleted_at)'): Promise<void> {
  await db.sql.unsafe(`
    create table app.items (id integer, is_deleted boolean, deleted_at timestamptz) with (autovacuum_enabled = off);
    insert into app.items
    select id, id % 10 = 0, case when id % 10 = 0 then now() - interval '40 days' - id * 7919 % 100000 * interval '1 second' end
    from generate_series(1, 100000) id;
    create index on app.items ${index};
    analyze app.items;
    select nightshift.add_retention_policy('app.items', '30 days', flag_column => 'is_deleted', max_fraction => 1);
  `);
}

/** The rows of app.items that were read so far, by what read them. */
async function readOf(session: Sql): Promise<{ byScan: number; byIndex: number }> {
  await session`select pg_stat_force_next_flush()`;
  const [read] = await session<{ byScan: number; byIndex: number }[]>`
    select t.seq_tup_read::integer as "byScan", i.idx_tup_read::integer as "byIndex"
    from pg_stat_user_tables t left join pg_stat_user_indexes i using (relid) where relid = 'app.items'::regclass`;
  if (!read) throw new Error('There are no figures of app.items');
  return read;
}

const isDue = "r.deleted_at < now() - interval '30 days'";
const isLive = (id: number) => id % 2 === 0;
const live = range(1, rowCount).filter(isLive);

describe('rows that may go unseen', () => {
  it.each(['sweep', 'index'] as const)(
    'go in one batch, without being chosen and locked first, and those that are not due stay: %s',
    async (way) => {
      await createItems(way);
      expect(
        await db.sql`select nightshift.way_into_leaf('app.items', 'deleted_at', ${isDue}) as way`,
      ).toEqual([{ way }]);
      const result = await runPurge(db, {}, { batchRows });
      expect(stepOf(result, items)).toMatchObject({
        status: 'succeeded',
        rowsPurged: dueCount,
        rowsLeft: 0,
      });
      expect(stepOf(result, items).batches).toBeLessThan(dueCount / batchRows / 2);
      expect(await idsOf(db.sql, items)).toEqual(live);
      const [policy] = await db.sql`
      select last_purged_rows, last_purged_at > created_at as purged from nightshift.retention_policies`;
      expect(policy).toEqual({ last_purged_rows: String(dueCount), purged: true });
    },
  );

  it('go where very many have one value of the marker, once the index has come to them', async () => {
    await createItems();
    await db.sql`update app.items set deleted_at = now() - interval '90 days' where deleted_at is not null and id > 100`;
    const session = db.connect();
    await session`set enable_seqscan = off`;
    const run = await beginBatches(session, items);
    expect(await run.finish()).toMatchObject({ rowsPurged: dueCount });
    expect(await idsOf(db.sql, items)).toEqual(live);
  });

  it.each([
    ['an empty table', 'truncate app.items', 0],
    ['a table of one page', 'delete from app.items where id > 100; vacuum full app.items', 50],
    [
      'rows that were updated where they are',
      "update app.items set note = 'x' where id < 15000",
      dueCount,
    ],
    [
      'rows with values kept elsewhere',
      `alter table app.items alter note set storage external;
       update app.items set note = repeat(md5(id::text), 300) where id <= 2000`,
      dueCount,
    ],
  ])('are found: %s', async (_, change, due) => {
    await createItems();
    for (const statement of change.split(';')) await db.sql.unsafe(statement);
    await db.sql`analyze app.items`;
    const kept = (await idsOf(db.sql, items)).filter(isLive);
    const run = await beginBatches(db.sql, items);
    expect(await run.batch()).toMatchObject({ bySlices: due > 0 });
    expect(await run.finish()).toMatchObject({ rowsPurged: due });
    expect(await idsOf(db.sql, items)).toEqual(kept);
  });

  it('go where a fifth of the table is due, and lies in the order of the index', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz);
      insert into app.items
      select id, case when id <= 8000 then now() - interval '90 days' + id * interval '1 second' end from generate_series(1, 40000) id;
      create index on app.items (deleted_at);
      analyze app.items;
      select nightshift.add_retention_policy('app.items', '30 days');
    `);
    const run = await beginBatches(db.sql, items);
    expect(await run.batch()).toMatchObject({ bySlices: true });
    expect(await run.finish()).toMatchObject({ rowsPurged: 8_000 });
  });

  it.each([
    ['of all rows', '(deleted_at)'],
    ['of flagged rows alone', '(deleted_at) where is_deleted'],
    ['of the flag and the marker', '(is_deleted, deleted_at)'],
  ])(
    'are read twice by an index %s, and no other row is, where Postgres believes that hardly any is due',
    async (_, index) => {
      const due = 10_000;
      await createFlaggedItems(index);
      const session = db.connect();
      const run = await beginBatches(session, items);
      const before = await readOf(session);
      expect(await run.batch()).toMatchObject({ bySlices: true });
      const { rowsPurged } = await run.finish();
      const after = await readOf(session);
      expect(rowsPurged).toBe(due);
      expect(after.byScan - before.byScan).toBe(0);
      expect(after.byIndex - before.byIndex).toBeGreaterThanOrEqual(2 * due);
      expect(after.byIndex - before.byIndex).toBeLessThan(2.3 * due);
    },
  );

  it('are read once by the index where they are chosen first, however many batches there are', async () => {
    await createFlaggedItems();
    const session = db.connect();
    const run = await beginBatches(session, items);
    const before = await readOf(session);
    while (!(await run.batch(499)).done);
    const after = await readOf(session);
    expect(await db.sql`select from app.items where is_deleted`).toHaveLength(0);
    expect(after.byIndex - before.byIndex).toBeLessThan(1.3 * 10_000);
  });

  it.each([
    ['slice by slice', batchRows],
    ['chosen first', 499],
  ])(
    'are not looked for behind the dead end of their index each time that a statement is planned: %s',
    async (_, rows) => {
      await db.sql.unsafe(`
        create table app.items (id integer primary key, deleted_at timestamptz) with (autovacuum_enabled = off);
        insert into app.items
        select id, case when id <= 100000 then now() - interval '40 days' - id * interval '1 second' end from generate_series(1, 200000) id;
        create index on app.items (deleted_at);
        analyze app.items;
        select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
      `);
      const session = db.connect();
      const run = await beginBatches(session, items);
      const blocksRead = async () => {
        await session`select pg_stat_force_next_flush()`;
        const [index] = await session`
          select (idx_blks_hit + idx_blks_read)::integer as blocks
          from pg_statio_user_indexes where indexrelid = 'app.items_deleted_at_idx'::regclass`;
        return index?.blocks;
      };
      const before = await blocksRead();
      // The first rows that go have the greatest markers.
      for (let batches = 0; batches < 20; batches++) await run.batch(rows, 5);
      expect((await blocksRead()) - before).toBeLessThan(100);
    },
  );

  it.each([
    ['by slices', batchRows, 1],
    // That way reads a block more than once.
    ['chosen first', 499, 3],
  ])(
    'go by a sweep once the index is dropped, and are not looked for in the whole table each time: %s',
    async (_, rows, times) => {
      await createFlaggedItems();
      const session = db.connect();
      const run = await beginBatches(session, items);
      await run.batch(1);
      await db.sql`drop index app.items_deleted_at_idx`;
      const before = await readOf(session);
      while (!(await run.batch(rows)).done);
      const after = await readOf(session);
      expect(await db.sql`select from app.items where is_deleted`).toHaveLength(0);
      expect(after.byScan - before.byScan).toBeLessThan((times + 0.5) * 100_000);
    },
  );

  it('go of one partition after the other', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer, deleted_at timestamptz) partition by range (id);
      create table app.items_1 partition of app.items for values from (0) to (10000);
      create table app.items_2 partition of app.items for values from (10000) to (20000);
      create table app.items_3 partition of app.items for values from (20000) to (30000);
      insert into app.items select id, case when id % 2 = 1 then now() - interval '40 days' end from generate_series(1, 29999) id;
      analyze app.items;
      select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
    `);
    const step = stepOf(await runPurge(db, {}, { batchRows }), items);
    expect(step).toMatchObject({ rowsPurged: 15_000, rowsLeft: 0 });
    expect(step.batches).toBeLessThan(15_000 / batchRows / 2);
  });
});

describe('the rest of a walk by the index', () => {
  const create = (due: number, statistics: 'old' | 'new') =>
    db.sql.unsafe(`
      create table app.items (id integer, deleted_at timestamptz) with (fillfactor = 50, autovacuum_enabled = off);
      insert into app.items select generate_series(1, ${rowCount});
      create index on app.items (deleted_at);
      analyze app.items;
      update app.items set deleted_at = now() - interval '40 days' - id * interval '1 second' where id <= ${due};
      ${statistics === 'new' ? 'analyze app.items;' : ''}
      select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
    `);

  // So far apart that how fast the machine is decides nothing.
  const counted = 100_000_000;
  const weeksInMs = 2_000_000_000;

  it.each([
    ['goes at once, without a look for its end, where there is time', batchRows, weeksInMs, 5_000],
    ['goes by slices where there is little', batchRows, 200, 6_000],
    ['goes by slices in a smaller batch, as after one that took too long', 500, weeksInMs, 6_000],
  ])('%s', async (_, rows, ms, reads) => {
    await create(3_000, 'old');
    const session = db.connect();
    await beginBatches(session, items);
    await session`
      update nightshift.runs set progress = jsonb_set(progress, '{backlogs,app.items,dueRows}', ${counted})
      where status = 'running'`;
    const before = await readOf(session);
    let step = { rowsPurged: 0, children: {}, cursor: undefined };
    while (step.cursor !== null) {
      const [row] = await session`
        select s.step
        from nightshift.runs r, nightshift.retention_policies p,
          nightshift.purge_slices(r, p, '{}', ${rows}, ${ms}, ${session.json(step)}) s
        where r.status = 'running'`;
      step = row?.step;
    }
    const after = await readOf(session);
    expect(await db.sql`select from app.items where deleted_at is not null`).toHaveLength(0);
    // The first 2,000 are looked at, and then deleted.
    expect(after.byIndex - before.byIndex).toBeGreaterThan(reads - 100);
    expect(after.byIndex - before.byIndex).toBeLessThan(reads + 100);
  });

  it.each([
    ['what the run has counted, where statistics know less', 'old' as const, 9_000, 9_000],
    ['what statistics say, where the run has met all of it already', 'new' as const, 8_000, 10_000],
  ])('is reckoned by %s', async (_, statistics, least, most) => {
    await create(9_000, statistics);
    await beginBatches(db.sql, items);
    const rest = async (purged: number) => {
      const [row] = await db.sql`
        select nightshift.rest_of_walk(
          r, p, ${items}::regclass, '{"after": "-infinity"}', jsonb_build_object('rowsPurged', ${purged}::integer)
        )::integer as rows
        from nightshift.runs r, nightshift.retention_policies p where r.status = 'running'`;
      return row?.rows;
    };
    const rows = await rest(statistics === 'new' ? 9_000 : 0);
    expect(rows).toBeGreaterThanOrEqual(least);
    expect(rows).toBeLessThanOrEqual(most);
  });

  it('is not known of a table that the run has not measured', async () => {
    await create(10, 'new');
    const [row] = await db.sql`
      select nightshift.rest_of_walk(r, p, p.relation, '{"after": "-infinity"}', '{"rowsPurged": 0}') as rows
      from nightshift.retention_policies p left join nightshift.runs r on false`;
    expect(row).toEqual({ rows: null });
  });
});

it('a batch ends when its time is over, and nothing is lost between short ones', async () => {
  await createItems();
  const short = await beginBatches(db.sql, items);
  for (let n = 0; n < 2; n++) expect((await short.batch(batchRows, 1)).done).toBe(false);
  expect(short.largest).toBeLessThan(dueCount / 2);
  expect(await short.finish()).toMatchObject({ rowsPurged: dueCount });
  expect(await idsOf(db.sql, items)).toEqual(live);
});

it.each([0, 1_001, null])('a batch of %s ms is refused', async (ms) => {
  await createItems();
  const { batch } = await beginBatches(db.sql, items);
  await expect(batch(batchRows, ms as never)).rejects.toMatchObject({
    code: 'NS422',
    hint: expect.stringContaining('leave it out for 200'),
  });
});

describe('rows that have to be looked at', () => {
  it.each([
    [
      'a trigger',
      `create function app.nothing() returns trigger language plpgsql as 'begin return old; end';
      create trigger nothing before delete on app.items for each row execute function app.nothing()`,
    ],
    [
      'a statement trigger',
      `create function app.nothing() returns trigger language plpgsql as 'begin return null; end';
      create trigger nothing after delete on app.items execute function app.nothing()`,
    ],
    ['a foreign key', 'create table app.parts (item_id integer references app.items)'],
  ])('are chosen first: %s', async (_, statements) => {
    await createItems();
    await db.sql.unsafe(statements);
    const run = await beginBatches(db.sql, items);
    expect(await run.batch()).toMatchObject({ bySlices: false, done: false });
    expect(await run.finish()).toMatchObject({ rowsPurged: dueCount });
    expect(await idsOf(db.sql, items)).toEqual(live);
  });

  it('are chosen first where batches are small for a reason', async () => {
    await createItems();
    const run = await beginBatches(db.sql, items);
    expect(await run.batch(499)).toMatchObject({ bySlices: false });
    expect(await run.batch(500)).toMatchObject({ bySlices: true });
  });

  it('are those of a table that is referred to from now on', async () => {
    await createItems();
    const user = await inOpenTransaction(db, 'select from app.items where id = 1 for update');
    const run = await beginBatches(db.sql, items);
    await run.batch();
    await user`commit`;
    await db.sql.unsafe(`
      create table app.parts (item_id integer references app.items);
      insert into app.parts values (10001)
    `);
    expect(await run.finish()).toMatchObject({ rowsBlocked: 1 });
    expect(await idsOf(db.sql, items)).toContain(10_001);
  });
});

describe.each(['sweep', 'index'] as const)('a row in use: %s', (way) => {
  it.each([
    ['locked', 'select from app.items where id = 9999 for update'],
    ['locked by who refers to it', 'select from app.items where id = 9999 for key share'],
    ['restored', 'update app.items set deleted_at = null where id = 9999'],
    ['changed and still due', "update app.items set note = 'changed' where id = 9999"],
  ])('is passed over, and all others go: %s', async (_, statement) => {
    await createItems(way);
    const user = await inOpenTransaction(db, statement);
    const result = await runPurge(db);
    expect(stepOf(result, items)).toMatchObject({
      status: 'partial',
      rowsPurged: dueCount - 1,
      rowsLeft: 1,
      reason: '1 locked or changed by other sessions meanwhile',
    });
    // Around it rows were chosen one by one; the rest of the table was not.
    expect(stepOf(result, items).batches).toBeLessThan(12);
    await user`commit`;
    expect(await idsOf(db.sql, items)).toEqual([...live, 9999].toSorted((a, b) => a - b));
  });

  it('holds up nobody else, and what is done before it stays done', async () => {
    await createItems(way);
    const user = await inOpenTransaction(
      db,
      `select from app.items where id = ${last[way]} for update`,
    );
    const run = await beginBatches(db.sql, items);
    const first = await run.batch();
    expect(first).toMatchObject({ bySlices: true, done: false });
    expect(first.step.rowsPurged).toBeGreaterThan(batchRows);
    expect(await run.finish()).toMatchObject({ rowsPurged: dueCount - 1 });
    await user`rollback`;
  });

  it('makes one slice be undone, and none of those that would come to it again', async () => {
    await createItems(way);
    const user = await inOpenTransaction(
      db,
      `select from app.items where id = ${lateInSlice[way]} for update`,
    );
    const session = db.connect();
    const run = await beginBatches(session, items);
    for (let n = 0; n < 3; n++) expect(await run.batch(500)).toMatchObject({ bySlices: false });
    // Also of what was undone.
    await session`select pg_stat_force_next_flush()`;
    const [deletes] = await session<[{ n: number }]>`
      select n_tup_del::integer as n from pg_stat_user_tables where relid = 'app.items'::regclass`;
    const gone = rowCount - (await idsOf(db.sql, items)).length;
    expect(gone).toBeGreaterThan(500);
    expect(deletes.n - gone).toBeGreaterThan(1_000);
    expect(deletes.n - gone).toBeLessThan(2_000);
    expect(await run.finish()).toMatchObject({ rowsPurged: dueCount - 1 });
    await user`rollback`;
  });

  describe('that is let go while the purge waits for it', () => {
    beforeEach(() => letSlicesWait(db.sql, true));
    afterEach(() => letSlicesWait(db.sql, false));

    it.each([
      ['restored', 'update app.items set deleted_at = null where id = $id', 'commit', true],
      ['marked anew', 'update app.items set deleted_at = now() where id = $id', 'commit', true],
      [
        'restored, and not after all',
        'update app.items set deleted_at = null where id = $id',
        'rollback',
        false,
      ],
      ['locked', 'select from app.items where id = $id for update', 'commit', false],
    ])('stays only where it is not due any more: %s', async (_, statement, end, stays) => {
      await createItems(way);
      const user = await inOpenTransaction(db, statement.replace('$id', String(early[way])));
      const run = await beginBatches(db.sql, items);
      const batch = run.batch();
      await until('the purge waits', async () => (await waiting(db.sql, 'purge_batch')) === 1);
      await user.unsafe(end);
      expect(await batch).toMatchObject({ bySlices: true });
      expect(await run.finish()).toMatchObject({ rowsPurged: dueCount - (stays ? 1 : 0) });
      expect((await idsOf(db.sql, items)).includes(early[way])).toBe(stays);
    });

    it('is counted once when it has moved, still due, and at the latest the next night takes it', async () => {
      await createItems(way);
      const user = await inOpenTransaction(
        db,
        `update app.items set note = repeat('x', 5000) where id = ${early[way]}`,
      );
      const run = await beginBatches(db.sql, items);
      const batch = run.batch();
      await until('the purge waits', async () => (await waiting(db.sql, 'purge_batch')) === 1);
      await user`commit`;
      await batch;
      const { rowsPurged } = await run.finish();
      expect(rowsPurged).toBe(rowCount - (await idsOf(db.sql, items)).length);
      await runPurge(db);
      expect(await idsOf(db.sql, items)).toEqual(live);
    });

    it('was deleted by somebody else, and is not counted', async () => {
      await createItems(way);
      const user = await inOpenTransaction(db, `delete from app.items where id = ${early[way]}`);
      const run = await beginBatches(db.sql, items);
      const batch = run.batch();
      await until('the purge waits', async () => (await waiting(db.sql, 'purge_batch')) === 1);
      await user`commit`;
      await batch;
      expect(await run.finish()).toMatchObject({ rowsPurged: dueCount - 1 });
    });

    it('takes the batch back with it when the purge is killed there; the next one counts on from the same place', async () => {
      await createItems(way);
      const user = await inOpenTransaction(
        db,
        `select from app.items where id = ${last[way]} for update`,
      );
      const killed = db.connect();
      const [backend] = await killed`select pg_backend_pid() as pid`;
      const run = await beginBatches(killed, items);
      // Long enough to come to the last row.
      const batch = run.batch(batchRows, 1_000).catch((error: { code: string }) => error.code);
      await until('the purge waits', async () => (await waiting(db.sql, 'purge_batch')) === 1);
      await db.sql`select pg_terminate_backend(${backend?.pid})`;
      expect(await batch).toMatch(/^(57P01|CONNECTION_CLOSED)$/);
      expect((await idsOf(db.sql, items)).length).toBe(rowCount);
      await user`commit`;
      await db.sql`update nightshift.runs set status = 'lost', finished_at = now() where status = 'running'`;
      expect(stepOf(await runPurge(db), items)).toMatchObject({
        rowsPurged: dueCount,
        rowsLeft: 0,
      });
    });
  });
});

describe('the brake', () => {
  it('is asked after each slice, and a batch that goes too far is undone', async () => {
    await createItems();
    await db.sql`select nightshift.alter_retention_policy('app.items', max_fraction => 0.6)`;
    const run = await beginBatches(db.sql, items);
    await db.sql`update app.items set deleted_at = now() - interval '50 days'`;
    await expect(run.finish()).rejects.toMatchObject({ code: 'NS428' });
    expect((await idsOf(db.sql, items)).length).toBeGreaterThanOrEqual(0.4 * rowCount);
  });
});

describe('a partition that is detached while the purge waits for it', () => {
  it('keeps its rows', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer, deleted_at timestamptz) partition by range (id);
      create table app.items_1 partition of app.items for values from (0) to (10000);
      create table app.items_2 partition of app.items for values from (10000) to (20000);
      insert into app.items select id, now() - interval '40 days' from generate_series(1, 19999) id;
      analyze app.items;
      select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
      alter function nightshift.purge_batch set lock_timeout = '60s';
    `);
    const run = await beginBatches(db.sql, items);
    const user = await inOpenTransaction(db, 'alter table app.items detach partition app.items_1');
    const batch = run.batch();
    await until('the purge waits', async () => (await waiting(db.sql, 'purge_batch')) === 1);
    await user`commit`;
    await batch;
    expect(await run.finish()).toMatchObject({ rowsPurged: 10_000 });
    expect((await idsOf(db.sql, 'app.items_1')).length).toBe(9_999);
    await db.sql`alter function nightshift.purge_batch set lock_timeout = '500ms'`;
  });
});
