import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { range } from '../support/rows.ts';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    delete from nightshift.soft_delete_tables;
    create table app.orders (id integer primary key, sku text);
    create table app.lines (order_id integer references app.orders, line integer, code text, primary key (order_id, line));
    insert into app.orders select n, 's' || n from generate_series(1, 2000) n;
    insert into app.lines select o, l, o || '-' || l from generate_series(1, 10) o, generate_series(1, 2) l;
    select nightshift.enable_soft_delete('app.lines', unique_among_active => array['code']);
    select nightshift.enable_soft_delete('app.orders', cascade => array['app.lines'], unique_among_active => array['sku']);
  `);
});

async function call(expression: string) {
  const [row] = await db.sql.unsafe(`select nightshift.${expression} as answer`);
  return row?.answer;
}

describe('plan_restore', () => {
  it('counts by table what restore_operation then restores, and finds nothing in the way', async () => {
    const { operation } = await call(`soft_delete('app.orders', '[1, 2]')`);
    expect(await call(`plan_restore('${operation}')`)).toEqual({
      tables: [
        { relation: 'app.orders', rows: 2 },
        { relation: 'app.lines', rows: 4 },
      ],
      notDeleted: 0,
      notFound: 0,
      conflicts: [],
      moreConflicts: false,
    });
    expect(await call(`restore_operation('${operation}')`)).toMatchObject({
      restored: { 'app.orders': 2, 'app.lines': 4 },
    });
    await expect(call(`plan_restore('${operation}')`)).rejects.toMatchObject({ code: 'NS404' });
  });

  it('names each value that was taken and each parent that another operation deleted, as the restore does', async () => {
    const lines = await call(
      `soft_delete('app.lines', '[{"order_id": 1, "line": 1}, {"order_id": 2, "line": 1}, {"order_id": 3, "line": 1}]')`,
    );
    await call(`soft_delete('app.orders', '[1]')`);
    await db.sql`insert into app.lines values (9, 3, '2-1')`;
    const plan = await call(`plan_restore('${lines.operation}')`);
    expect(plan).toEqual({
      tables: [{ relation: 'app.lines', rows: 3 }],
      notDeleted: 0,
      notFound: 0,
      conflicts: [
        {
          relation: 'app.lines',
          key: { order_id: 2, line: 1 },
          kind: 'unique',
          constraint: 'lines_code_idx',
          blocking: { order_id: 9, line: 3 },
        },
        {
          relation: 'app.lines',
          key: { order_id: 1, line: 1 },
          kind: 'parent_deleted',
          constraint: 'lines_order_id_fkey',
          blocking: 1,
        },
      ],
      moreConflicts: false,
    });
    const { restored, failed } = await call(`restore_operation('${lines.operation}')`);
    expect(restored).toEqual({ 'app.lines': 1 });
    const keysOf = (rows: { key: { order_id: number } }[]) =>
      rows.map(({ key }) => key.order_id).sort();
    expect(keysOf(failed)).toEqual(keysOf(plan.conflicts));
  });

  it('shows a thousand conflicts, and that there are more', async () => {
    const { operation } = await call(
      `soft_delete('app.orders', '${JSON.stringify(range(1, 1500))}')`,
    );
    await db.sql`insert into app.orders select n + 10000, 's' || n from generate_series(1, 1500) n`;
    const plan = await call(`plan_restore('${operation}')`);
    expect(plan.tables[0]).toEqual({ relation: 'app.orders', rows: 1500 });
    expect(plan.conflicts).toHaveLength(1000);
    expect(plan.moreConflicts).toBe(true);
    expect(plan.conflicts[0]).toMatchObject({ key: expect.any(Number), kind: 'unique' });
  });

  it('counts for keys what restore then counts, those of a single one too, and writes nothing', async () => {
    await call(`soft_delete('app.orders', '[1, 2]')`);
    const keys = `'[2, 1, 1, 3, 9999]'`;
    const plan = await call(`plan_restore(relation => 'app.orders', keys => ${keys})`);
    expect(plan).toEqual({
      tables: [{ relation: 'app.orders', rows: 2 }],
      notDeleted: 1,
      notFound: 1,
      conflicts: [],
      moreConflicts: false,
    });
    expect(await call(`restore('app.orders', ${keys})`)).toMatchObject({
      restored: 2,
      notDeleted: 1,
      notFound: 1,
    });
    expect(await call(`plan_restore(relation => 'app.orders', keys => '[3]')`)).toMatchObject({
      tables: [{ relation: 'app.orders', rows: 0 }],
      notDeleted: 1,
    });
  });

  it('plans what a restore since a moment brings back, and what is in its way', async () => {
    await call(`soft_delete('app.orders', '[1]')`);
    await db.sql`update app.orders set deleted_at = '2026-01-01' where id = 2`;
    await db.sql`update app.lines set deleted_at = now() where order_id = 2`;
    await db.sql`insert into app.lines values (9, 3, '1-1')`;
    const since = `relation => 'app.lines', since => '2026-01-02'`;
    const plan = await call(`plan_restore(${since})`);
    expect(plan.tables).toEqual([{ relation: 'app.lines', rows: 4 }]);
    expect(
      plan.conflicts.map(({ kind, key }: { kind: string; key: { order_id: number } }) => [
        kind,
        key.order_id,
      ]),
    ).toEqual([
      ['unique', 1],
      ['parent_deleted', 1],
      ['parent_deleted', 2],
      ['parent_deleted', 1],
      ['parent_deleted', 2],
    ]);
    expect(await call(`restore_since(${since})`)).toMatchObject({ restored: 0 });
    expect(await call(`plan_restore(relation => 'app.lines', since => 'infinity')`)).toMatchObject({
      tables: [{ relation: 'app.lines', rows: 0 }],
      conflicts: [],
    });
  });

  it('names parents that were deleted before soft delete was enabled, and none that come back in the same call', async () => {
    await db.sql.unsafe(`
      create table app.folders (id integer primary key, parent integer references app.folders, deleted_at timestamptz);
      insert into app.folders values (1, null, '2026-01-01'), (2, 1, null), (3, 2, null), (4, 3, null);
      select nightshift.enable_soft_delete('app.folders');
      select nightshift.enable_soft_delete('app.folders', cascade => array['app.folders']);
      select nightshift.soft_delete('app.folders', '[3]');
      select nightshift.soft_delete('app.folders', '[2]');
    `);
    const conflictsOf = async (asked: string) =>
      (await call(`plan_restore(relation => 'app.folders', ${asked})`)).conflicts;
    expect(await conflictsOf(`keys => '[2, 3, 4]'`)).toMatchObject([{ key: 2, blocking: 1 }]);
    expect(await conflictsOf(`keys => '[1, 2, 3, 4]'`)).toEqual([]);
    expect(await conflictsOf(`since => '2026-01-02'`)).toMatchObject([{ key: 2, blocking: 1 }]);
    expect(await conflictsOf(`since => '2025-12-31'`)).toEqual([]);
  });

  it('names a row whose value another has that comes back before it', async () => {
    await call(`soft_delete('app.orders', '[1, 3]')`);
    await db.sql`insert into app.orders values (3001, 's1')`;
    await call(`soft_delete('app.orders', '[3001]')`);
    for (const asked of [`keys => '[1, 3001, 3]'`, `since => '-infinity'`]) {
      const plan = await call(`plan_restore(relation => 'app.orders', ${asked})`);
      expect(plan.tables).toEqual([{ relation: 'app.orders', rows: 3 }]);
      expect(plan.conflicts).toEqual([
        {
          relation: 'app.orders',
          key: 3001,
          kind: 'unique',
          constraint: 'orders_sku_idx',
          blocking: 1,
        },
      ]);
    }
    const { restored, failed } = await call(`restore('app.orders', '[1, 3001, 3]')`);
    expect({ restored, failed: failed.length }).toEqual({ restored: 2, failed: 1 });
  });

  it('takes no row for one in the way that is unique among others', async () => {
    await db.sql.unsafe(`
      create table app.flats (id integer primary key, door text, kind text);
      insert into app.flats values (1, 'a', 'let'), (2, 'a', 'sold'), (3, 'b', 'sold');
      select nightshift.enable_soft_delete('app.flats');
      create unique index on app.flats (door) where deleted_at is null and kind = 'sold';
      select nightshift.soft_delete('app.flats', '[1, 3]');
      insert into app.flats values (4, 'b', 'sold');
    `);
    const plan = await call(`plan_restore(relation => 'app.flats', keys => '[1, 3]')`);
    expect(plan.conflicts).toMatchObject([{ key: 3, blocking: 4 }]);
    expect(await call(`restore('app.flats', '[1]', on_conflict => 'replace')`)).toMatchObject({
      restored: 1,
      replaced: 0,
    });
  });

  it.each([
    [''],
    [`'01900000-0000-7000-8000-000000000000', 'app.orders', '[1]'`],
    [`relation => 'app.orders'`],
    [`relation => 'app.orders', keys => '[1]', since => 'now'`],
    [`keys => '[1]'`],
    [`relation => 'app.orders', keys => '1'`],
  ])('refuses (%s) with the fix', async (args) => {
    await expect(call(`plan_restore(${args})`)).rejects.toMatchObject({
      code: 'NS422',
      hint: expect.stringMatching(/Pass /),
    });
  });
});
