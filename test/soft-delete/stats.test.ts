import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    delete from nightshift.soft_delete_tables;
    truncate nightshift.deletion_events;
    create table app.notes (id integer primary key);
    insert into app.notes select generate_series(1, 10);
    select nightshift.enable_soft_delete('app.notes');
  `);
});

async function call(expression: string) {
  const rows = await db.sql.unsafe(`select nightshift.${expression} as answer`);
  return rows.map(({ answer }) => answer);
}

describe('deletion_stats', () => {
  it('counts rows, days and what is due', async () => {
    const [empty] = await call(`deletion_stats('app.notes')`);
    expect(empty).toMatchObject({
      active: { rows: 10, exact: true },
      deleted: { rows: 0, exact: true },
      oldestDeletedAt: null,
      restoreRate: null,
      dueNext7Days: null,
    });
    expect(empty.byDay).toHaveLength(30);
    await call(`soft_delete('app.notes', '[1, 2, 3, 4]')`);
    await call(`restore('app.notes', '[1]')`);
    await db.sql`update app.notes set deleted_at = now() - interval '25 days' where id = 9`;
    await call(`add_retention_policy('app.notes', '30 days', 'deleted_at')`);
    const [stats] = await call(`deletion_stats('app.notes')`);
    expect(stats).toMatchObject({
      active: { rows: 6, exact: true },
      deleted: { rows: 4, exact: true },
      restoreRate: 0.2,
      dueNext7Days: { rows: 1, exact: true },
      bytes: expect.any(Number),
    });
    const rows = await db.sql`
      select ${stats.oldestDeletedAt}::timestamptz = deleted_at as same from app.notes where id = 9`;
    expect(rows).toEqual([{ same: true }]);
    expect(stats.byDay.at(-1)).toMatchObject({ deleted: 5, restored: 1 });
  });

  it('estimates a large table, and says so', async () => {
    await db.sql`
      insert into app.notes (id, deleted_at)
      select n, case when n <= 110010 then now() end from generate_series(11, 170010) n`;
    await db.sql`vacuum analyze app.notes`;
    const [{ active, deleted }] = await call(`deletion_stats('app.notes')`);
    expect(deleted.exact).toBe(false);
    expect(active.exact).toBe(false);
    expect(Math.abs(deleted.rows - 110_000)).toBeLessThan(11_000);
    expect(Math.abs(active.rows - 60_000)).toBeLessThan(15_000);
  });
});

it('lists the history page by page, newest first', async () => {
  await call(`soft_delete('app.notes', '[1]', 'ann', 'old')`);
  await call(`soft_delete('app.notes', '[2]')`);
  await call(`restore('app.notes', '[1]')`);
  const first = await call(`list_deletion_events('app.notes', max_events => 2)`);
  expect(first.map(({ action, keys }) => [action, keys])).toEqual([
    ['restore', [1]],
    ['delete', [2]],
  ]);
  expect(await call(`list_deletion_events(before => ${first[1].id})`)).toMatchObject([
    { action: 'delete', relation: 'app.notes', rows: 1, keys: [1], actor: 'ann', reason: 'old' },
  ]);
  expect(await call(`list_deletion_events(since => now() + interval '1 hour')`)).toEqual([]);
});
