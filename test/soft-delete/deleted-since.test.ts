import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { range } from '../support/rows.ts';

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

const since = async (
  after: string | null = null,
): Promise<{ keys: number[]; after: string; more: boolean }> => {
  const [row] = await db.sql`select nightshift.deleted_since('app.notes', ${after}) as answer`;
  return row?.answer;
};
const remove = (ids: number[], sql = db.sql) =>
  sql`select nightshift.soft_delete('app.notes', ${sql.json(ids)})`;

describe('deleted_since', () => {
  it('gives each deletion once, and none of what came back', async () => {
    await remove([1, 2]);
    await db.sql`update app.notes set deleted_at = now() where id = 3`;
    const first = await since();
    expect(first).toMatchObject({ keys: [1, 2, 3], more: false });
    expect(await since(first.after)).toEqual({ ...first, keys: [] });
    await remove([4, 5]);
    await db.sql`select nightshift.restore('app.notes', '[4]')`;
    const second = await since(first.after);
    expect(second.keys).toEqual([5]);
    expect((await since(second.after)).keys).toEqual([]);
    for (const wrong of ['x', '1', '1,2,3', '0,0,{']) {
      await expect(since(wrong)).rejects.toMatchObject({ code: 'NS422' });
    }
  });

  it('passes over nothing when transactions commit out of order', async () => {
    const [early, late] = [db.connect(), db.connect()];
    await early`begin`;
    await remove([1], early);
    await late`begin`;
    await remove([2], late);
    await late`commit`;
    const before = await since();
    expect(before.keys).toEqual([]);
    await early`commit`;
    const after = await since(before.after);
    expect(after.keys).toEqual([1, 2]);
    expect((await since(after.after)).keys).toEqual([]);
  });

  it('goes on within a large operation, whose rows come once though it has several statements', async () => {
    await db.sql`insert into app.notes select generate_series(11, 25000)`;
    await db.sql`update app.notes set deleted_at = now()`;
    const pages = [];
    let page = await since();
    for (; page.keys.length > 0; page = await since(page.after)) pages.push(page.keys);
    expect(pages.map((keys) => keys.length)).toEqual([10_000, 10_000, 5_000]);
    expect(pages.flat()).toEqual(range(1, 25_000));
  });
});
