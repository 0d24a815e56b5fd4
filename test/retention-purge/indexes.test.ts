import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';

/** What a purge needs an index for, and where it does without. */
const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

describe('a foreign key without an index', () => {
  it.each([true, false])(
    'of a large table is refused before the work (dry run: %s), unless forced',
    async (dryRun) => {
      await db.sql.unsafe(`
      create table app.orders (id integer primary key, deleted_at timestamptz); create index on app.orders (deleted_at);
      create table app.items (order_id integer references app.orders, note text);
      create table app.few (order_id integer references app.orders);
      insert into app.orders select g, case when g <= 10 then now() - interval '1 year' end from generate_series(1, 100) g;
      insert into app.items select 50, repeat('x', 2000) from generate_series(1, 5000);
      select nightshift.add_retention_policy('app.orders', '90 days');
    `);
      const result = await runPurge(db, { dryRun });
      const { error, batches } = stepOf(result, 'app.orders');
      expect({ code: error?.code, batches }).toEqual({ code: 'NS422', batches: 0 });
      expect(error?.message).toMatch(
        'app.items refers to app.orders, is large, and has no index on order_id',
      );
      const forced = await runPurge(db, { dryRun: true, force: ['app.orders'] });
      expect(stepOf(forced, 'app.orders').rowsPurged).toBe(10);
      await db.sql.unsafe(/^create index[^;]*;/.exec(error?.hint ?? '')?.[0] ?? '');
      expect((await runPurge(db)).report.rowsPurged).toBe(10);
    },
  );

  it('is warned of, whether it refers to the rows of a policy or to their children', async () => {
    await db.sql.unsafe(`
      create table app.orders (id integer primary key, deleted_at timestamptz);
      create table app.items (id integer primary key, order_id integer references app.orders);
      create table app.notes (item_id integer references app.items);
      create table app.parts (item_id integer references app.items);
      create index on app.orders (deleted_at); create index on app.parts (item_id);
      select nightshift.add_retention_policy('app.orders', '90 days', with_children => array['app.items', 'app.parts']);
    `);
    const [{ warnings } = { warnings: [] }] = await db.sql<{ warnings: string[] }[]>`
      select nightshift.retention_warnings('app.orders') as warnings`;
    expect(warnings).toEqual([
      expect.stringMatching(
        /^Foreign key items_order_id_fkey on app\.items has no index on the referencing side, so each row deleted from app\.orders /,
      ),
      expect.stringMatching(
        /^Foreign key notes_item_id_fkey on app\.notes has no index on the referencing side, so each row deleted from app\.items /,
      ),
    ]);
    for (const warning of warnings)
      await db.sql.unsafe(/Fix: (create index .*)$/.exec(warning)?.[1] ?? '');
    expect(await db.sql`select nightshift.retention_warnings('app.orders') as warnings`).toEqual([
      { warnings: [] },
    ]);
  });
});

describe('a foreign key without an index, in a circle', () => {
  it.each([
    ['most of the table is due', 20, 0],
    ['few of its rows are due', 2, 6_000],
  ])('is looked up for many rows at once, and not row by row, where %s', async (_, trees, live) => {
    // Trees of a root and 99 others; in every other tree one of these is not due, and holds the root.
    await db.sql.unsafe(`
      create table app.nodes (id integer primary key, parent integer references app.nodes, deleted_at timestamptz);
      insert into app.nodes
      select g, nullif(g - g % 100, g), case when g % 200 <> 150 then now() - interval '1 year' end
      from generate_series(100, 99 + 100 * ${trees}) g;
      insert into app.nodes select g from generate_series(10000, 9999 + ${live}) g;
      create index on app.nodes (deleted_at);
      analyze app.nodes;
      select nightshift.add_retention_policy('app.nodes', '90 days', max_fraction => 1);
    `);
    const before = await scansOf('app.nodes');
    const dry = await runPurge(db, { dryRun: true });
    expect((await scansOf('app.nodes')) - before).toBeLessThan(100);
    const real = await runPurge(db);
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.nodes')).toMatchObject({
        rowsPurged: 99 * trees,
        rowsBlocked: trees / 2,
        blockedBy: { 'nodes_parent_fkey on app.nodes': trees / 2 },
      });
    }
  });
});

it('to children that go along is not looked up row by row either, when one of them is held', async () => {
  await db.sql.unsafe(`
    create table app.orders (id integer primary key, deleted_at timestamptz);
    create table app.items (id integer primary key, order_id integer references app.orders on delete cascade);
    create table app.refunds (item_id integer references app.items);
    insert into app.orders select g, now() - interval '1 year' from generate_series(1, 300) g;
    insert into app.items select g, g % 300 + 1 from generate_series(1, 3000) g;
    insert into app.refunds values (7);
    create index on app.orders (deleted_at);
    create index on app.refunds (item_id);
    analyze;
    select nightshift.add_retention_policy('app.orders', '90 days', max_fraction => 1, with_children => array['app.items']);
  `);
  const before = await scansOf('app.items');
  const dry = await runPurge(db, { dryRun: true });
  expect((await scansOf('app.items')) - before).toBeLessThan(30);
  for (const result of [dry, await runPurge(db)]) {
    expect(stepOf(result, 'app.orders')).toMatchObject({
      rowsPurged: 299,
      children: { 'app.items': 2990 },
      blockedBy: { 'refunds_item_id_fkey on app.refunds': 1 },
    });
  }
});

describe('the marker', () => {
  it('needs no index in a small table', async () => {
    await db.sql.unsafe(`
      create table app.invites (id integer primary key, expires_at timestamptz not null);
      insert into app.invites values (1, now() - interval '30 days'), (2, now()), (3, now());
      select nightshift.add_retention_policy('app.invites', '7 days', 'expires_at');
    `);
    const { run, report } = await runPurge(db);
    expect({ status: run.status, purged: report.rowsPurged }).toEqual({
      status: 'succeeded',
      purged: 1,
    });
  });

  it.each(['timestamptz', 'timestamp'])(
    'of a log in the order of its writing is served by a BRIN index: %s',
    async (type) => {
      await db.sql.unsafe(`
      create table app.log (at ${type} not null, body text);
      insert into app.log select now() - interval '300 days' + g * interval '10 minutes', repeat('x', 900) from generate_series(1, 40000) g;
    `);
      const policy = `select nightshift.add_retention_policy('app.log', '200 days', 'at')`;
      await expect(db.sql.unsafe(policy)).rejects.toMatchObject({
        message: /No index serves at of app.log/,
      });
      await db.sql.unsafe(`create index on app.log using brin (at)`);
      await db.sql.unsafe(policy);
      const { run, report } = await runPurge(db);
      expect({ status: run.status, left: report.rowsLeft }).toEqual({
        status: 'succeeded',
        left: 0,
      });
      const [rows] = await db.sql`
      select count(*) filter (where at < now() - interval '200 days')::integer as due, count(*)::integer as n from app.log`;
      expect(rows).toEqual({ due: 0, n: 40000 - report.rowsPurged });
    },
  );
});

it('where nothing is due there is no walk, and one would be one batch, whatever the statistics say', async () => {
  await db.sql.unsafe(`
    create table app.items (id integer primary key, deleted_at timestamptz, note text) with (autovacuum_enabled = off);
    create index on app.items (deleted_at);
    insert into app.items select g, now() - interval '1 year', repeat('x', 200) from generate_series(1, 50000) g;
    analyze app.items;
    update app.items set deleted_at = null;
    select nightshift.add_retention_policy('app.items', '90 days');
  `);
  const [plan] =
    await db.sql`explain select from app.items where deleted_at < now() - interval '90 days'`;
  expect(plan?.['QUERY PLAN']).toMatch(/^Seq Scan/);
  const { report } = await runPurge(db);
  expect(stepOf({ report }, 'app.items')).toMatchObject({ status: 'succeeded', batches: 0 });

  const [begun] =
    await db.sql`select nightshift.begin_run('retention-purge', 'cli') -> 'run' as run`;
  const { id, fence } = begun?.run ?? {};
  await db.sql`select nightshift.plan_retention_purge(${id}, ${fence})`;
  const [row] =
    await db.sql`select nightshift.purge_batch(${id}, ${fence}, 'app.items', 1000) as batch`;
  expect(row?.batch).toMatchObject({ done: true, step: { batches: 1 } });
});

async function scansOf(table: string): Promise<number> {
  await db.sql`select pg_stat_force_next_flush()`;
  const [row] = await db.sql<[{ n: number }]>`
    select seq_scan::int as n from pg_stat_user_tables where relid = ${table}::regclass`;
  return row.n;
}
