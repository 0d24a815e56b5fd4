import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { idsOf, range } from '../support/rows.ts';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql`delete from nightshift.soft_delete_tables`;
});

async function call(expression: string) {
  const [row] = await db.sql.unsafe(`select nightshift.${expression} as answer`);
  return row?.answer;
}
const deleted = () => idsOf(db.sql, 'app.items where deleted_at is not null');

describe.each(['timestamptz', 'timestamp', 'timestamptz(0)', 'date'])(
  'restore_since with a marker of type %s',
  (type) => {
    beforeEach(async () => {
      await db.sql.unsafe(`
        create table app.items (id integer primary key, deleted_at ${type});
        insert into app.items select generate_series(1, 30);
        select nightshift.enable_soft_delete('app.items');
      `);
    });

    it('restores what was deleted at that moment or later, page by page, and nothing before', async () => {
      const { deletedAt: before } = await call(`soft_delete('app.items', '[30, 1]')`);
      let since = before;
      let ids = '[2, 29]';
      for (; since === before; ids = '[3, 28]') {
        ({ deletedAt: since } = await call(`soft_delete('app.items', '${ids}')`));
      }
      await call(`soft_delete('app.items', '${JSON.stringify(range(10, 20))}')`);
      const pages: number[] = [];
      let after = 'null';
      do {
        const answer = await call(
          `restore_since('app.items', '${since}', max_rows => 5, after => ${after})`,
        );
        expect(answer).toMatchObject({ failed: [], parents: 0, replaced: 0 });
        pages.push(answer.restored);
        after = answer.after ? `'${JSON.stringify(answer.after)}'` : 'null';
      } while (after !== 'null');
      expect(pages).toEqual([5, 5, 3]);
      expect(await deleted()).toEqual([1, 30]);
      expect(await call(`restore_since('app.items', '${since}')`)).toMatchObject({ restored: 0 });
    });
  },
);

it('passes rows that cannot come back once, and reports them', async () => {
  await db.sql.unsafe(`
    create table app.items (id integer primary key, sku text);
    insert into app.items select n, 's' || n from generate_series(1, 6) n;
    select nightshift.enable_soft_delete('app.items', unique_among_active => array['sku']);
    select nightshift.soft_delete('app.items', '[1, 2, 3]');
    insert into app.items values (7, 's2');
  `);
  const first = await call(`restore_since('app.items', '-infinity', max_rows => 2)`);
  expect(first).toMatchObject({ restored: 1, failed: [{ key: 2, code: '23505' }] });
  const rest = `restore_since('app.items', '-infinity', max_rows => 2, after => '${JSON.stringify(first.after)}')`;
  expect(await call(rest)).toMatchObject({ restored: 1, failed: [], after: null });
  expect(await deleted()).toEqual([2]);
  await expect(call(`restore_since('app.items', null)`)).rejects.toMatchObject({ code: 'NS422' });
});
