import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

describe('a batch', () => {
  it('has as many due rows where one in twenty of the table is due, not one in twenty of these', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz);
      insert into app.items
      select id, case when id % 20 = 0 then now() - interval '40 days' end from generate_series(1, 20000) id;
      select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
    `);
    const result = await runPurge(db, { dryRun: true }, { batchRows: 100 });
    const { rowsPurged, batches } = stepOf(result, 'app.items');
    expect(rowsPurged).toBe(1000);
    expect(batches).toBeLessThan(40);
  });

  it('keeps what stays in a hash table, however many Postgres knows that to be and however little memory it may take', async () => {
    await db.sql.begin(async (sql) => {
      await sql`set local work_mem = '64kB'`;
      const [row] = await sql`
        select nightshift.count_rows(nightshift.subtract_held(array[row(1, 2, true, r.tids)::nightshift.row_set], r.held))::integer as left
        from (
          select array_agg(t.tid) as tids, array_agg(row(1, 2, t.tid, 'held', 'a key')::nightshift.held_row) filter (where t.n > 5) as held
          from (select n, format('(%s,%s)', n / 100, n % 100 + 1)::tid as tid from generate_series(1, 300000) n) t
        ) r`;
      expect(row?.left).toBe(5);
    });
  });
});
