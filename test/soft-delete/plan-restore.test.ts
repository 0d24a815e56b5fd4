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
});
