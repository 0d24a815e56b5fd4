import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge } from '../support/purge.ts';

const db = setUpDatabase();
beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    delete from nightshift.soft_delete_tables;
    truncate nightshift.deletion_events;
    create table app.orders (id integer primary key, note text);
    create table app.lines (id integer primary key, order_id integer references app.orders);
    insert into app.orders select generate_series(1, 3000);
    insert into app.lines select n, n / 2 from generate_series(2, 6000) n;
    create index on app.lines (order_id);
    select nightshift.enable_soft_delete('app.lines');
    select nightshift.enable_soft_delete('app.orders', cascade => array['app.lines']);
  `);
});

const events = () =>
  db.sql`
    select action, relation_name, rows::integer, jsonb_array_length(keys) as keys, actor, reason
    from nightshift.deletion_events order by id`;

describe('the history', () => {
  it('has deletes and restores by plain updates, of as many rows as there are', async () => {
    await db.sql`update app.lines set deleted_at = now(), deletion_reason = 'all'`;
    await db.sql`update app.orders set note = 'x'`;
    await db.sql`update app.lines set deleted_at = null where id <= 10`;
    await db.sql`update app.lines set deleted_at = null where id <= 10`;
    expect(await events()).toEqual([
      {
        action: 'delete',
        relation_name: 'app.lines',
        rows: 5999,
        keys: 5999,
        actor: 'postgres',
        reason: 'all',
      },
      {
        action: 'restore',
        relation_name: 'app.lines',
        rows: 9,
        keys: 9,
        actor: 'postgres',
        reason: null,
      },
    ]);
  });

  it('has a deletion and a restore of one statement, and nothing of an edit of a deleted row', async () => {
    await db.sql`update app.orders set deleted_at = now() where id = 1`;
    await db.sql`update app.orders set deleted_at = case id when 2 then now() end where id <= 2`;
    await db.sql`update app.orders set note = 'y' where id <= 3`;
    expect((await events()).map(({ action, rows }) => [action, rows])).toEqual([
      ['delete', 1],
      ['delete', 1],
      ['restore', 1],
    ]);
  });

  it('has what the purge removed, by table, without keys', async () => {
    await db.sql`select nightshift.add_retention_policy('app.orders', '30 days', with_children => array['app.lines'], max_fraction => 1)`;
    await db.sql`update app.orders set deleted_at = now() - interval '40 days' where id <= 1000`;
    const { report } = await runPurge(db, {}, { batchRows: 300 });
    expect(report.rowsPurged).toBe(1000);
    expect(
      await db.sql`
        select relation_name, sum(rows)::integer as rows, count(distinct operation)::integer as runs, bool_and(keys is null) as unkeyed
        from nightshift.deletion_events where action = 'purge' group by 1 order by 1`,
    ).toEqual([
      { relation_name: 'app.lines', rows: 2000, runs: 1, unkeyed: true },
      { relation_name: 'app.orders', rows: 1000, runs: 1, unkeyed: true },
    ]);
  });
});

describe('the history of a table that is renamed', () => {
  const call = async (expression: string) => {
    const [row] = await db.sql.unsafe(`select nightshift.${expression} as answer`);
    return row?.answer;
  };
  const listed = async (relation: string) => {
    const found = await db.sql`
      select e -> 'keys' as keys from nightshift.list_deletion_events(${relation}::regclass) e`;
    return found.map(({ keys }) => keys);
  };
  const deletedLately = async (relation: string) =>
    (await call(`deletion_stats('${relation}')`)).byDay.reduce(
      (sum: number, day: { deleted: number }) => sum + day.deleted,
      0,
    );

  it('follows it, and a client that keeps a copy misses no deletion before or after', async () => {
    await call(`soft_delete('app.orders', '[1]')`);
    const first = await call(`deleted_since('app.orders')`);
    await call(`soft_delete('app.orders', '[2]')`);
    await db.sql`alter table app.orders rename to sales`;
    await call(`soft_delete('app.sales', '[3]')`);
    const next = `deleted_since('app.sales', '${first.after}')`;
    expect((await call(next)).keys).toEqual([2, 3]);
    expect(await listed('app.sales')).toEqual([[3], [2], [1]]);
    expect(await deletedLately('app.sales')).toBe(3);

    const [sales] = await call(`inspect_soft_delete('app.sales')`);
    expect(sales.relation).toBe('app.sales');
    expect(sales.missing.map(({ why }: { why: string }) => why)).toContainEqual(
      'The history has it as app.orders, the name that it had.',
    );
    await call(`enable_soft_delete('app.sales')`);
    expect((await call(`inspect_soft_delete('app.sales')`))[0].missing).toEqual([]);
    await db.sql`create schema shop`;
    await db.sql`alter table app.sales set schema shop`;
    expect((await call(`deleted_since('shop.sales', '${first.after}')`)).keys).toEqual([2, 3]);
    expect(await listed('shop.sales')).toEqual([[3], [2], [1]]);
    await db.sql`drop schema shop cascade`;
  });

  it('takes nothing of another table that has its name by now', async () => {
    await call(`soft_delete('app.orders', '[1]')`);
    await db.sql.unsafe(`
      alter table app.orders rename to sales;
      create table app.orders (id integer primary key);
      insert into app.orders values (7);
      select nightshift.enable_soft_delete('app.orders');
    `);
    await call(`soft_delete('app.orders', '[7]')`);
    await call(`enable_soft_delete('app.sales')`);
    expect(await listed('app.sales')).toEqual([[1]]);
    expect(await listed('app.orders')).toEqual([[7]]);
    expect((await call(`deleted_since('app.orders')`)).keys).toEqual([7]);
  });
});
