import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql } from 'postgres';
import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { sampleOf } from '../support/property.ts';
import { auditDeletes, closeGate, deletedIds, runPurge, stepOf } from '../support/purge.ts';
import { checksum, idsOf, range } from '../support/rows.ts';
import { thinkTimeMs } from '../support/traffic.ts';
import { until, waiting } from '../support/waiting.ts';

const items = 'app.items';
const due = range(1, 6);
const live = range(101, 106);

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const ways = ['sweep', 'index'] as const;
type Way = (typeof ways)[number];

/** Six due rows that are purged one a batch, in the order of their ids, and six that are not due. */
async function createItems(sql: Sql, way: Way): Promise<void> {
  // A page holds one row, so a sweep takes one row a batch; among many live rows the index is cheaper.
  const storage = way === 'sweep' ? 'with (fillfactor = 10)' : '';
  const others = way === 'sweep' ? live : range(101, 3100);
  await sql.unsafe(`
    create table app.items (
      id integer primary key,
      deleted_at timestamptz,
      is_deleted boolean not null default true,
      note text,
      filler text not null default repeat('x', 700)
    ) ${storage};
    insert into app.items (id, deleted_at)
    select id, now() - interval '40 days' + id * interval '1 minute' from generate_series(1, 6) id;
    insert into app.items (id) select id from generate_series(101, ${others.at(-1)}) id;
    create index on app.items (deleted_at);
    analyze app.items;
    select nightshift.add_retention_policy('app.items', '30 days', flag_column => 'is_deleted', max_fraction => 1);
  `);
  await auditDeletes(sql, items);
}

const restores = {
  'cleared marker': 'deleted_at = null',
  'marker moved to yesterday': "deleted_at = now() - interval '1 day'",
  'flag set to false': 'is_deleted = false',
};

const restore = (sql: Sql, how: string, id: number) =>
  sql.unsafe(`update app.items set ${how} where id = ${id}`);

/** By day each kind of restore meets a purge that walks in one of the ways; at night it meets both. */
const walkedBy: Record<string, Way[]> = Object.fromEntries(
  Object.keys(restores).map((kind) => [kind, sampleOf(ways, 1)]),
);

const oneByOne = { batchRows: 1 };

/** Opens a transaction in a session of its own and leaves it open. */
async function inOpenTransaction(statement: string): Promise<Sql> {
  const session = db.connect();
  await session`begin`;
  await session.unsafe(statement);
  return session;
}

describe.each(ways)('a row restored while the purge walks by %s', (way) => {
  beforeEach(() => createItems(db.sql, way));

  it('is walked that way, one row a batch', async () => {
    const modes = new Set();
    const result = await runPurge(
      db,
      {},
      {
        ...oneByOne,
        beforeBatch: async (nth) => {
          if (nth === 1) return;
          const [row] = await db.sql`
            select progress #>> '{steps,app.items,cursor,mode}' as mode
            from nightshift.runs where status = 'running'`;
          modes.add(row?.mode);
          expect(await deletedIds(db.sql)).toEqual(range(1, Math.min(nth - 1, 6)));
        },
      },
    );
    expect([...modes].filter((mode) => mode !== null)).toEqual([way]);
    expect(result.run.status).toBe('succeeded');
    expect(stepOf(result, items)).toMatchObject({
      rowsPurged: 6,
      rowsLeft: 0,
      status: 'succeeded',
    });
  });

  describe.each(Object.entries(restores))('by a %s', (kind, how) => {
    beforeEach(({ skip }) => skip(!walkedBy[kind]?.includes(way), 'left for the night'));

    it('survives when the restore commits between planning and the first batch', async () => {
      const result = await runPurge(
        db,
        {},
        { ...oneByOne, beforeBatch: (nth) => nth === 1 && restore(db.sql, how, 1) },
      );
      expect(await deletedIds(db.sql)).toEqual([2, 3, 4, 5, 6]);
      expect(stepOf(result, items)).toMatchObject({ rowsPurged: 5, rowsBlocked: 0, rowsLeft: 0 });
      expect(result.run.status).toBe('succeeded');
    });

    it('survives when the restore commits between two batches', async () => {
      const result = await runPurge(
        db,
        {},
        { ...oneByOne, beforeBatch: (nth) => nth === 4 && restore(db.sql, how, 5) },
      );
      expect(await deletedIds(db.sql)).toEqual([1, 2, 3, 4, 6]);
      expect(result.run.status).toBe('succeeded');
    });

    it('is passed over while the restore is uncommitted, and survives its commit', async () => {
      const user = await inOpenTransaction(`update app.items set ${how} where id = 3`);
      const result = await runPurge(db, {}, oneByOne);
      expect(await deletedIds(db.sql)).toEqual([1, 2, 4, 5, 6]);
      expect(stepOf(result, items)).toMatchObject({
        status: 'partial',
        rowsPurged: 5,
        rowsBlocked: 0,
        rowsLeft: 1,
        reason: '1 locked or changed by other sessions meanwhile',
      });
      await user`commit`;

      const next = await runPurge(db);
      expect(next.report).toMatchObject({ rowsPurged: 0, rowsLeft: 0 });
      expect(next.run.status).toBe('succeeded');
      expect(await idsOf(db.sql, items)).toContain(3);
    });

    it('finds no row when it comes after the delete, and brings none back', async () => {
      const found: number[] = [];
      await runPurge(
        db,
        {},
        {
          ...oneByOne,
          beforeBatch: async (nth) => {
            if (nth === 3) found.push((await restore(db.sql, how, 1)).count);
          },
        },
      );
      expect(found).toEqual([0]);
      expect(await deletedIds(db.sql)).toEqual(due);
    });
  });

  it('goes in the next run when the restore is rolled back', async () => {
    const user = await inOpenTransaction('update app.items set deleted_at = null where id = 3');
    const result = await runPurge(db, {}, oneByOne);
    expect(result.run.status).toBe('partial');
    await user`rollback`;
    const next = await runPurge(db, {}, oneByOne);
    expect(next.report).toMatchObject({ rowsPurged: 1, rowsLeft: 0 });
    expect(await deletedIds(db.sql)).toEqual(due);
  });

  it('is passed over, not counted, when its owner is deleting it for good', async () => {
    const user = await inOpenTransaction('delete from app.items where id = 3');
    const result = await runPurge(db, {}, oneByOne);
    expect(stepOf(result, items)).toMatchObject({ rowsPurged: 5, rowsLeft: 1 });
    await user`commit`;
    expect(await deletedIds(db.sql)).toEqual(due);
  });

  it('is passed over while a user merely has it locked, and nothing waits', async () => {
    const user = await inOpenTransaction('select from app.items where id = 3 for key share');
    const result = await runPurge(db, {}, oneByOne);
    expect(stepOf(result, items)).toMatchObject({ rowsPurged: 5, rowsLeft: 1, status: 'partial' });
    await user`rollback`;
  });

  it('survives in a table where many are restored at any moment of large batches', async () => {
    await db.sql`
      insert into app.items (id, deleted_at, filler)
      select id, now() - interval '40 days' + id * interval '1 millisecond', ''
      from generate_series(10001, 12000) id`;
    const restored = new Set<number>();
    let purging = true;
    const restoreAtRandom = async (session: Sql, step: number) => {
      for (let n = 0; purging; n++) {
        const id = 10_001 + ((n * step) % 2_000);
        const { count } = await session.unsafe(
          `update app.items set deleted_at = null where id = ${id} and deleted_at is not null`,
        );
        if (count === 1) restored.add(id);
        await sleep(thinkTimeMs);
      }
    };
    const users = [2_741, 1_999, 5_077].map((step) => restoreAtRandom(db.connect(), step));
    await runPurge(db, {}, { batchRows: 150 });
    purging = false;
    await Promise.all(users);

    const gone = await deletedIds(db.sql);
    expect(new Set(gone).size).toBe(gone.length);
    expect(gone.filter((id) => restored.has(id))).toEqual([]);
    const there = new Set(await idsOf(db.sql, items));
    expect([...restored].filter((id) => !there.has(id))).toEqual([]);
    expect(restored.size).toBeGreaterThan(0);
    await runPurge(db);
    expect((await deletedIds(db.sql)).length).toBe(6 + 2_000 - restored.size);
  });
});

describe('a policy that changes in mid-run', () => {
  beforeEach(() => createItems(db.sql, 'sweep'));

  const afterTwoBatches = (statement: string) => ({
    ...oneByOne,
    beforeBatch: (nth: number) => nth === 3 && db.sql.unsafe(statement),
  });

  it('holds from the next batch on when drop_after is lengthened', async () => {
    const result = await runPurge(
      db,
      {},
      afterTwoBatches("select nightshift.alter_retention_policy('app.items', '60 days')"),
    );
    expect(await deletedIds(db.sql)).toEqual([1, 2]);
    expect(result.report).toMatchObject({ rowsPurged: 2, rowsLeft: 0 });
  });

  it('deletes nothing more once the policy is disabled, and says so', async () => {
    const result = await runPurge(
      db,
      {},
      afterTwoBatches("select nightshift.alter_retention_policy('app.items', enabled => false)"),
    );
    expect(await deletedIds(db.sql)).toEqual([1, 2]);
    expect(stepOf(result, items)).toMatchObject({
      status: 'failed',
      rowsPurged: 2,
      error: { code: 'NS404', hint: expect.stringContaining('disabled') },
    });

    await db.sql`select nightshift.alter_retention_policy('app.items', enabled => true)`;
    await runPurge(db, {}, oneByOne);
    expect(await deletedIds(db.sql)).toEqual(due);
  });

  it('deletes nothing more once the policy is removed', async () => {
    const result = await runPurge(
      db,
      {},
      afterTwoBatches("select nightshift.remove_retention_policy('app.items')"),
    );
    expect(await deletedIds(db.sql)).toEqual([1, 2]);
    expect(stepOf(result, items)).toMatchObject({ status: 'failed', error: { code: 'NS404' } });
  });

  it('deletes nothing more once the marker is dropped', async () => {
    const result = await runPurge(
      db,
      {},
      afterTwoBatches('alter table app.items rename column deleted_at to removed_at'),
    );
    expect(await deletedIds(db.sql)).toEqual([1, 2]);
    expect(stepOf(result, items)).toMatchObject({ status: 'failed', error: { code: 'NS422' } });
  });

  it('leaves a table that took over the name of the one in the plan', async () => {
    const result = await runPurge(
      db,
      {},
      afterTwoBatches(`
        alter table app.items rename to items_old;
        create table app.items as select * from app.items_old;
        create index on app.items (deleted_at);
        select nightshift.add_retention_policy('app.items', '30 days');
      `),
    );
    expect(await deletedIds(db.sql)).toEqual([1, 2]);
    expect(await idsOf(db.sql, items)).toEqual([3, 4, 5, 6, ...live]);
    expect(result.run.status).toBe('failed');
  });
});

describe('a partition that is detached in mid-run', () => {
  it('keeps its rows: no policy covers it any more', async () => {
    await db.sql.unsafe(`
      create table app.logs (id integer, at timestamptz, filler text default repeat('x', 700)) partition by range (id);
      create table app.logs_1 partition of app.logs for values from (1) to (100) with (fillfactor = 10);
      create table app.logs_2 partition of app.logs for values from (100) to (200);
      create index on app.logs (at);
      insert into app.logs select id, now() - interval '99 days' from generate_series(1, 6) id;
      select nightshift.add_retention_policy('app.logs', '30 days', 'at', max_fraction => 1);
    `);
    const result = await runPurge(
      db,
      {},
      {
        ...oneByOne,
        beforeBatch: (nth) => nth === 3 && db.sql`alter table app.logs detach partition app.logs_1`,
      },
    );
    expect(await idsOf(db.sql, 'app.logs_1')).toEqual([3, 4, 5, 6]);
    expect(result.report).toMatchObject({ rowsPurged: 2, rowsLeft: 0 });
  });
});

const actions = ['no action', 'restrict', 'cascade', 'set null', 'set default'] as const;

/** Three due parents, one a batch; children refer to them and have no policy unless one is added. */
async function createFamily(action: string): Promise<void> {
  await db.sql.unsafe(`
    create table app.parents (
      id integer primary key, deleted_at timestamptz, filler text not null default repeat('x', 700)
    ) with (fillfactor = 10);
    create table app.children (
      id integer primary key,
      parent_id integer default 0 references app.parents on delete ${action},
      deleted_at timestamptz,
      filler text not null default repeat('x', 700)
    ) with (fillfactor = 10);
    create index on app.parents (deleted_at);
    create index on app.children (parent_id);
    create index on app.children (deleted_at);
    insert into app.parents
    select id, case when id > 0 then now() - interval '40 days' + id * interval '1 minute' end
    from generate_series(0, 3) id;
    select nightshift.add_retention_policy('app.parents', '30 days', max_fraction => 1);
  `);
  await auditDeletes(db.sql, 'app.parents');
}

describe.each(actions)('a child that appears just before the batch, on delete %s', (action) => {
  beforeEach(() => createFamily(action));

  it('keeps its parent when it is committed', async () => {
    let before = '';
    const result = await runPurge(
      db,
      {},
      {
        ...oneByOne,
        beforeBatch: async (nth) => {
          if (nth !== 2) return;
          await db.sql`insert into app.children (id, parent_id) values (1, 2)`;
          before = await checksum(db.sql, 'app.children');
        },
      },
    );
    expect(await idsOf(db.sql, 'app.parents')).toEqual([0, 2]);
    expect(await checksum(db.sql, 'app.children')).toBe(before);
    expect(stepOf(result, 'app.parents')).toMatchObject({
      status: 'partial',
      rowsPurged: 2,
      rowsBlocked: 1,
      blockedBy: { 'children_parent_id_fkey on app.children': 1 },
      rowsLeft: 1,
    });
  });

  it('keeps its parent while it is uncommitted, and after', async () => {
    const user = await inOpenTransaction('insert into app.children (id, parent_id) values (1, 2)');
    const result = await runPurge(db, {}, oneByOne);
    await user`commit`;
    expect(await idsOf(db.sql, 'app.parents')).toEqual([0, 2]);
    expect(await db.sql`select id, parent_id from app.children`).toEqual([{ id: 1, parent_id: 2 }]);
    expect(stepOf(result, 'app.parents')).toMatchObject({ rowsPurged: 2, rowsLeft: 1 });
  });

  it('keeps its parent when it is an existing row that now refers to it, uncommitted', async () => {
    await db.sql`insert into app.children (id, parent_id) values (1, null)`;
    const user = await inOpenTransaction('update app.children set parent_id = 2 where id = 1');
    await runPurge(db, {}, oneByOne);
    await user`commit`;
    expect(await idsOf(db.sql, 'app.parents')).toEqual([0, 2]);
    expect(await db.sql`select id, parent_id from app.children`).toEqual([{ id: 1, parent_id: 2 }]);
  });

  it('keeps its parent when it is due but being restored, or was restored between batches', async () => {
    await db.sql.unsafe(`
      insert into app.children (id, parent_id, deleted_at)
      select id, id, now() - interval '40 days' + id * interval '1 minute' from generate_series(1, 3) id;
      select nightshift.add_retention_policy('app.children', '30 days', max_fraction => 1);
    `);
    const user = await inOpenTransaction('update app.children set deleted_at = null where id = 1');
    const result = await runPurge(
      db,
      {},
      {
        ...oneByOne,
        beforeBatch: (nth) =>
          nth === 2 && db.sql`update app.children set deleted_at = null where id = 3`,
      },
    );
    await user`commit`;
    expect(await idsOf(db.sql, 'app.parents')).toEqual([0, 1, 3]);
    expect(await db.sql`select id, parent_id from app.children order by id`).toEqual([
      { id: 1, parent_id: 1 },
      { id: 3, parent_id: 3 },
    ]);
    expect(stepOf(result, 'app.parents')).toMatchObject({ rowsPurged: 1, rowsBlocked: 2 });
  });
});

describe('a child that comes too late', () => {
  it('is refused by its foreign key when the batch holds the parent', async () => {
    await createFamily('cascade');
    const gate = await closeGate(db, 'app.parents', 2);
    const purging = runPurge(db, {}, { batchRows: 1 });
    const user = db.connect();
    await gate.reached();
    const refused = expect(
      user`insert into app.children (id, parent_id) values (1, 2)`,
    ).rejects.toMatchObject({ code: '23503' });
    await until(
      'the child waits for the batch',
      async () => (await waiting(db.sql, 'insert into app.children')) > 0,
    );
    await gate.open();
    await refused;
    await purging;
    expect(await idsOf(db.sql, 'app.parents')).toEqual([0]);
  });

  it('is refused at its commit when its foreign key is deferred, and cascades nothing', async () => {
    await createFamily('cascade deferrable initially deferred');
    const user = await inOpenTransaction('insert into app.children (id, parent_id) values (1, 2)');
    await runPurge(db, {}, oneByOne);
    await expect(user`commit`).rejects.toMatchObject({ code: '23503' });
    expect(await idsOf(db.sql, 'app.parents')).toEqual([0]);
    expect(await idsOf(db.sql, 'app.children')).toEqual([]);
  });

  it('never loses its parent, however many come while batches run', async () => {
    await createFamily('cascade');
    await db.sql`
      insert into app.parents (id, deleted_at, filler)
      select id, now() - interval '40 days', '' from generate_series(1001, 2200) id`;
    const inserted: number[] = [];
    let purging = true;
    const insertAtRandom = async (session: Sql, step: number) => {
      for (let n = 0; purging; n++) {
        const id = 1_001 + ((n * step) % 1_200);
        const added = session`
          insert into app.children (id, parent_id, filler) values (${id}, ${id}, '')
          on conflict do nothing returning id`;
        await added.then(
          (rows) => inserted.push(...rows.map((row) => row.id)),
          (error) => expect(error).toMatchObject({ code: '23503' }),
        );
      }
    };
    const users = [1_741, 1_999].map((step) => insertAtRandom(db.connect(), step));
    await runPurge(db, {}, { batchRows: 80 });
    purging = false;
    await Promise.all(users);
    expect(inserted.length).toBeGreaterThan(0);
    expect(await idsOf(db.sql, 'app.children')).toEqual(inserted.toSorted((a, b) => a - b));
  });
});
