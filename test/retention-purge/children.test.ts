import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { auditDeletes, runPurge, stepOf } from '../support/purge.ts';
import { checksum, idsOf, range } from '../support/rows.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const due = "now() - interval '40 days'";

/** Ten orders of which the first five are due, with three items each, and notes on the items. */
async function createOrders(options: string, action = 'no action'): Promise<void> {
  await db.sql.unsafe(`
    create table app.orders (id integer primary key, deleted_at timestamptz);
    create table app.items (id integer primary key, order_id integer not null references app.orders on delete ${action});
    create table app.notes (id integer primary key, item_id integer references app.items on delete ${action});
    insert into app.orders select id, case when id <= 5 then ${due} end from generate_series(1, 10) id;
    insert into app.items select id, 1 + id % 10 from generate_series(0, 29) id;
    insert into app.notes select id, id from generate_series(0, 29) id;
  `);
  await db.sql.unsafe(`
    create index on app.orders (deleted_at);
    create index on app.items (order_id);
    create index on app.notes (item_id);
    select nightshift.add_retention_policy('app.orders', '30 days' ${options});
  `);
}

const itemsOf = (orders: number[]) => range(0, 29).filter((id) => orders.includes(1 + (id % 10)));

/** What is declared fails with this hint. */
async function hintOf(statement: string): Promise<string> {
  const error = await db.sql.unsafe(statement).then(
    () => undefined,
    (thrown: { code: string; hint: string }) => thrown,
  );
  expect(error?.code).toMatch(/^NS4/);
  return error?.hint ?? '';
}

describe.each([
  'no action',
  'restrict',
  'cascade',
  'no action deferrable initially deferred',
  'cascade deferrable initially deferred',
])('children that a policy names, on delete %s', (action) => {
  it('go with their parent, level by level, and are counted by table', async () => {
    await createOrders(", with_children => array['app.notes', 'app.items']", action);
    const dry = await runPurge(db, { dryRun: true });
    const real = await runPurge(db);
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.orders')).toMatchObject({
        status: 'succeeded',
        rowsPurged: 5,
        children: { 'app.items': 15, 'app.notes': 15 },
      });
      expect(result.report).toMatchObject({ rowsPurged: 5, childrenPurged: 30 });
    }
    expect(await idsOf(db.sql, 'app.orders')).toEqual(range(6, 10));
    expect(await idsOf(db.sql, 'app.items')).toEqual(itemsOf(range(6, 10)));
    expect(await idsOf(db.sql, 'app.notes')).toEqual(itemsOf(range(6, 10)));
  });
});

it('children are counted, and of a large table only a share of the pages is asked what it refers to', async () => {
  await db.sql.unsafe(`
    create table app.orders (id integer primary key, deleted_at timestamptz);
    create table app.items (id integer primary key, order_id integer not null references app.orders) with (fillfactor = 50);
    create table app.notes (id integer primary key, order_id integer not null references app.orders);
    insert into app.orders select id, ${due} from generate_series(1, 2000) id;
    insert into app.items select id, 1 + id % 2000 from generate_series(1, 60000) id;
    insert into app.notes select id, 1 + id % 10 from generate_series(1, 10) id;
    create index on app.orders (deleted_at);
    create index on app.items (order_id);
    create index on app.notes (order_id);
    analyze app.orders;
    select nightshift.add_retention_policy('app.orders', '30 days', with_children => '{app.items,app.notes}');
  `);
  const { measured, lookups } = await db.sql.begin(async (tx) => {
    // Those of the inserts are among them, until a session has told of them: within a second.
    const seen = async () => {
      const [orders] = await tx<[{ lookups: number }]>`
        select idx_scan::integer as lookups from pg_stat_xact_user_tables where relid = 'app.orders'::regclass`;
      return orders.lookups;
    };
    const before = await seen();
    const [row] = await tx`
      select nightshift.measure_children(p, now()) as measured from nightshift.retention_policies p`;
    return { measured: row?.measured, lookups: (await seen()) - before };
  });
  expect(measured).toEqual({
    'app.items': { totalRows: 60_000, totalRowsExact: true, dueRows: 60_000, dueRowsExact: false },
    'app.notes': { totalRows: 10, totalRowsExact: true, dueRows: 10, dueRowsExact: true },
  });
  // About 5,000 rows of 125 pages, which have 14,000.
  expect(lookups).toBeGreaterThan(2_000);
  expect(lookups).toBeLessThan(9_000);
  // Then it is for the brake to say.
  const [late] = await db.sql`
    select nightshift.measure_children(p, now(), 0) as measured from nightshift.retention_policies p`;
  expect(late?.measured).toMatchObject({
    'app.items': { totalRows: 60_000, dueRows: null },
    'app.notes': { totalRows: 10, dueRows: null },
  });
});

describe('a child that something else needs', () => {
  it('keeps its parent, and the parent its other children', async () => {
    await createOrders(", with_children => array['app.items']");
    // Notes are not named: those of orders 1 to 4 are taken away.
    await db.sql`delete from app.notes where item_id % 10 <> 4`;
    const before = await checksum(db.sql, 'app.items', 'order_id = 5');
    const result = await runPurge(db);
    expect(stepOf(result, 'app.orders')).toMatchObject({
      status: 'partial',
      rowsPurged: 4,
      children: { 'app.items': 12 },
      rowsBlocked: 1,
      blockedBy: { 'notes_item_id_fkey on app.notes': 1 },
    });
    expect(await checksum(db.sql, 'app.items', 'order_id = 5')).toBe(before);
  });

  it('or a trigger on it, which has its name although Postgres speaks of a foreign key', async () => {
    await createOrders(", with_children => array['app.items', 'app.notes']", 'restrict');
    await db.sql.unsafe(`
      create function app.keep() returns trigger language plpgsql as $$ begin return case when old.id <> 0 then old end; end $$;
      create trigger "keep it" before delete on app.notes for each row execute function app.keep();
    `);
    expect(stepOf(await runPurge(db), 'app.orders')).toMatchObject({
      rowsPurged: 4,
      rowsRefused: 1,
      refusedBy: { 'trigger "keep it" on app.notes (app.keep())': 1 },
    });
  });

  it('is implied by nothing: without with_children ON DELETE CASCADE deletes nothing', async () => {
    await createOrders('', 'cascade');
    const result = await runPurge(db);
    expect(stepOf(result, 'app.orders')).toMatchObject({ rowsPurged: 0, rowsBlocked: 5 });
    expect(await idsOf(db.sql, 'app.items')).toEqual(range(0, 29));
  });
});

describe('a shop whose order items have no marker', () => {
  it('keeps the orders that have some, and loses all that are due, with their items, once the policy names them', async () => {
    await db.sql.unsafe(`
      create table app.orders (id bigint generated always as identity primary key, deleted_at timestamptz);
      create table app.order_items (id bigint generated always as identity primary key, order_id bigint not null references app.orders);
      select setseed(0.5);
      insert into app.orders (deleted_at)
      select case when random() < 0.5 then now() - interval '60 days' - random() * interval '240 days' end from generate_series(1, 5000);
      insert into app.order_items (order_id) select 1 + (random() * 4999)::int from generate_series(1, 12500);
      create index on app.orders (deleted_at) where deleted_at is not null;
      create index on app.order_items (order_id);
      analyze app.orders, app.order_items;
      select nightshift.add_retention_policy('app.orders', '90 days');
    `);
    const [due] = await db.sql`
      with due as (select o.id, count(i.id)::integer as items from app.orders o left join app.order_items i on i.order_id = o.id
        where o.deleted_at < now() - interval '90 days' group by o.id)
      select count(*) filter (where items > 0)::integer as held, count(*)::integer as orders, sum(items)::integer as items from due`;
    const alone = await runPurge(db, { dryRun: true });
    expect(stepOf(alone, 'app.orders')).toMatchObject({
      rowsPurged: due?.orders - due?.held,
      blockedBy: { 'order_items_order_id_fkey on app.order_items': due?.held },
    });
    await db.sql`select nightshift.alter_retention_policy('app.orders', with_children => array['app.order_items'])`;
    const dry = await runPurge(db, { dryRun: true });
    const real = await runPurge(db);
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.orders')).toMatchObject({
        status: 'succeeded',
        rowsPurged: due?.orders,
        children: { 'app.order_items': due?.items },
      });
    }
    expect(real.report.rowsLeft).toBe(0);
  });
});

describe('a join table of two parents', () => {
  it('goes with either', async () => {
    await db.sql.unsafe(`
      create table app.products (id integer primary key, deleted_at timestamptz);
      create table app.assets (id integer primary key, deleted_at timestamptz);
      create table app.links (product_id integer references app.products, asset_id integer references app.assets, primary key (product_id, asset_id));
      insert into app.products select id, case when id <= 3 then ${due} end from generate_series(1, 9) id;
      insert into app.assets select id, case when id >= 8 then ${due} end from generate_series(1, 9) id;
      insert into app.links select p, a from generate_series(1, 9) p, generate_series(1, 9) a;
      create index on app.products (deleted_at);
      create index on app.assets (deleted_at);
      create index on app.links (asset_id);
      select nightshift.add_retention_policy('app.products', '30 days', with_children => array['app.links']);
      select nightshift.add_retention_policy('app.assets', '30 days', with_children => array['app.links']);
    `);
    const dry = await runPurge(db, { dryRun: true });
    const real = await runPurge(db);
    expect(real.run.status).toBe('succeeded');
    expect(dry.report).toMatchObject({ rowsPurged: 5, childrenPurged: 81 - 42 });
    expect(real.report).toMatchObject({ rowsPurged: 5, childrenPurged: 81 - 42 });
    const [left] = await db.sql`select count(*)::int as n from app.links`;
    expect(left?.n).toBe(42);
  });
});

describe('children of other kinds', () => {
  it('go by composite keys, MATCH FULL, from partitions and other schemas, past row security and with triggers', async () => {
    await db.sql.unsafe(`
      drop schema if exists "Other" cascade;
      create schema "Other";
      create table app.docs (tenant integer, id integer, deleted_at timestamptz, primary key (tenant, id));
      create table "Other"."Pages" (
        id integer, tenant integer, doc integer, primary key (id),
        foreign key (tenant, doc) references app.docs match full on delete restrict
      ) partition by range (id);
      create table "Other"."Pages 1" partition of "Other"."Pages" for values from (0) to (50);
      create table "Other"."Pages 2" partition of "Other"."Pages" for values from (50) to (100);
      alter table "Other"."Pages 2" enable row level security;
      alter table "Other"."Pages 2" force row level security;
      insert into app.docs select id % 2, id, case when id <= 10 then ${due} end from generate_series(1, 20) id;
      insert into "Other"."Pages" select n, d.tenant, d.id from generate_series(1, 99) n join app.docs d on d.id = 1 + n % 20;
      create index on app.docs (deleted_at);
      create index on "Other"."Pages" (tenant, doc);
      select nightshift.add_retention_policy('app.docs', '30 days', with_children => array['"Other"."Pages"']);
    `);
    await auditDeletes(db.sql, '"Other"."Pages 1"');
    const result = await runPurge(db);
    await db.sql`drop schema "Other" cascade`;
    expect(result.run.status).toBe('succeeded');
    expect(stepOf(result, 'app.docs')).toMatchObject({
      rowsPurged: 10,
      children: { '"Other"."Pages"': 49 },
    });
    const [audited] = await db.sql`select count(*)::int as n from app.deleted`;
    expect(audited?.n).toBe(29);
  });

  it('refer to each other: replies go with what they answer, and those of others hold it', async () => {
    await db.sql.unsafe(`
      create table app.posts (id integer primary key, deleted_at timestamptz);
      create table app.comments (id integer primary key, post_id integer references app.posts, parent_id integer references app.comments);
      insert into app.posts select id, case when id <= 3 then ${due} end from generate_series(1, 6) id;
      insert into app.comments select id, 1 + id % 6, case when id > 12 then id - 6 end from generate_series(7, 600) id;
      -- One of a post that stays answers one of post 2.
      insert into app.comments values (1000, 6, 7);
      create index on app.posts (deleted_at);
      create index on app.comments (post_id);
      create index on app.comments (parent_id);
      select nightshift.add_retention_policy('app.posts', '30 days', with_children => array['app.comments']);
    `);
    const dry = await runPurge(db, { dryRun: true });
    const real = await runPurge(db);
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.posts')).toMatchObject({
        rowsPurged: 2,
        children: { 'app.comments': 198 },
        rowsBlocked: 1,
      });
    }
    expect(await idsOf(db.sql, 'app.posts')).toEqual([2, 4, 5, 6]);
  });
});

describe('release', () => {
  it('sets references to null or default as their keys say, and the rows stay', async () => {
    await db.sql.unsafe(`
      create table app.users (id integer primary key, deleted_at timestamptz);
      create table app.audit (id integer primary key, user_id integer references app.users on delete set null);
      create table app.files (id integer primary key, owner integer default 9 references app.users on delete set default);
      insert into app.users select id, case when id <= 3 then ${due} end from generate_series(1, 9) id;
      insert into app.audit select id, 1 + id % 9 from generate_series(1, 18) id;
      insert into app.files select id, 1 + id % 9 from generate_series(1, 18) id;
      create index on app.users (deleted_at);
      create index on app.audit (user_id);
      create index on app.files (owner);
      select nightshift.add_retention_policy('app.users', '30 days', release => array['app.audit', 'app.files']);
    `);
    const dry = await runPurge(db, { dryRun: true });
    const real = await runPurge(db);
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.users')).toMatchObject({
        rowsPurged: 3,
        released: { 'app.audit': 6, 'app.files': 6 },
        children: {},
      });
    }
    const [left] = await db.sql`
      select (select count(*)::int from app.audit where user_id is null) as nulls,
        (select count(*)::int from app.files where owner = 9) as defaults,
        (select count(*)::int from app.audit) + (select count(*)::int from app.files) as rows`;
    expect(left).toEqual({ nulls: 6, defaults: 8, rows: 36 });
  });

  it('waits for no row that another session holds: its row stays', async () => {
    await db.sql.unsafe(`
      create table app.users (id integer primary key, deleted_at timestamptz);
      create table app.audit (id integer primary key, user_id integer references app.users on delete set null);
      insert into app.users select id, ${due} from generate_series(1, 3) id;
      insert into app.audit select id, id from generate_series(1, 3) id;
      create index on app.users (deleted_at);
      create index on app.audit (user_id);
      select nightshift.add_retention_policy('app.users', '30 days', max_fraction => 1, release => array['app.audit']);
    `);
    const user = db.connect();
    await user`begin`;
    await user`update app.audit set id = 20 where id = 2`;
    const result = await runPurge(db);
    await user`commit`;
    expect(stepOf(result, 'app.users')).toMatchObject({ rowsPurged: 2, rowsBlocked: 1 });
    expect(await idsOf(db.sql, 'app.users')).toEqual([2]);
    expect(await db.sql`select user_id from app.audit where id = 20`).toEqual([{ user_id: 2 }]);
  });
});

describe('a due row that is the child of another policy as well', () => {
  it.each([
    ['app.a', 'app.b'],
    ['app.b', 'app.a'],
  ])(
    'goes by the one that lets go what the other holds, whose turn it may be: %s, %s',
    async (parents, rows) => {
      await db.sql.unsafe(`
      create table ${parents} (id integer primary key, deleted_at timestamptz);
      create table ${rows} (id integer primary key, parent_id integer references ${parents},
        other_id integer references ${parents}, row_id integer references ${rows} on delete set null, deleted_at timestamptz);
      insert into ${parents} values (1, ${due});
      insert into ${rows} values (1, 1, null, null, ${due}), (2, null, null, 1, null);
      create index on ${parents} (deleted_at); create index on ${rows} (deleted_at);
      create index on ${rows} (parent_id); create index on ${rows} (other_id); create index on ${rows} (row_id);
      select nightshift.add_retention_policy('${rows}', '30 days', max_fraction => 1);
      select nightshift.add_retention_policy('${parents}', '30 days', max_fraction => 1,
        with_children => array['${rows}(parent_id)'], release => array['${rows}(row_id)']);
    `);
      for (const dryRun of [true, false]) {
        const { report } = await runPurge(db, { dryRun });
        expect(report).toMatchObject({ rowsBlocked: 0 });
      }
      expect(await idsOf(db.sql, parents)).toEqual([]);
      expect(await idsOf(db.sql, rows)).toEqual([2]);
    },
  );
});

describe('a child that a policy of its own deletes, with what refers to it', () => {
  it.each([
    ['app.a', 'app.b', 'release'],
    ['app.b', 'app.a', 'release'],
    ['app.a', 'app.b', 'with_children'],
    ['app.b', 'app.a', 'with_children'],
  ])(
    'has its turn first, so that its parent need not wait for a night: %s, %s, %s',
    async (parents, children, settled) => {
      await db.sql.unsafe(`
        create table ${parents} (id integer primary key, deleted_at timestamptz);
        create table ${children} (id integer primary key, parent_id integer references ${parents}, deleted_at timestamptz);
        create table app.scores (id integer primary key, child_id integer references ${children} on delete set null);
        insert into ${parents} values (1, ${due});
        insert into ${children} values (1, 1, ${due});
        insert into app.scores values (1, 1);
        create index on ${parents} (deleted_at); create index on ${children} (deleted_at);
        create index on ${children} (parent_id); create index on app.scores (child_id);
        select nightshift.add_retention_policy('${children}', '30 days', ${settled} => array['app.scores'], max_fraction => 1);
        select nightshift.add_retention_policy('${parents}', '30 days', with_children => array['${children}'], max_fraction => 1);
      `);
      for (const dryRun of [true, false]) {
        const result = await runPurge(db, { dryRun });
        expect(stepOf(result, children)).toMatchObject({ rowsPurged: 1 });
        expect(stepOf(result, parents)).toMatchObject({ rowsPurged: 1, rowsBlocked: 0 });
      }
    },
  );
});

describe('a released key that was made anew under its name', () => {
  it.each(['cascade', 'no action', 'restrict'])(
    'with on delete %s holds its row',
    async (action) => {
      await db.sql.unsafe(`
      create table app.users (id integer primary key, deleted_at timestamptz);
      create table app.audit (id integer primary key, user_id integer references app.users on delete set null);
      insert into app.users select id, ${due} from generate_series(1, 3) id;
      insert into app.audit select id, id from generate_series(1, 2) id;
      create index on app.users (deleted_at);
      create index on app.audit (user_id);
      select nightshift.add_retention_policy('app.users', '30 days', max_fraction => 1, release => array['app.audit']);
      alter table app.audit drop constraint audit_user_id_fkey,
        add constraint audit_user_id_fkey foreign key (user_id) references app.users on delete ${action};
    `);
      expect(stepOf(await runPurge(db), 'app.users')).toMatchObject({
        rowsPurged: 1,
        blockedBy: { 'audit_user_id_fkey on app.audit': 2 },
      });
      expect(await idsOf(db.sql, 'app.audit')).toEqual([1, 2]);
    },
  );
});

describe('keep', () => {
  it('lets rows stay without a word: the run succeeds, and says how many and through which key', async () => {
    await createOrders(", keep => array['app.items']");
    await db.sql`delete from app.notes`;
    await db.sql`delete from app.items where order_id > 3`;
    const dry = await runPurge(db, { dryRun: true });
    const real = await runPurge(db);
    expect(stepOf(dry, 'app.orders')).toMatchObject({ rowsPurged: 2, rowsKept: 3 });
    expect(stepOf(real, 'app.orders')).toMatchObject({
      status: 'succeeded',
      rowsPurged: 2,
      rowsBlocked: 0,
      rowsKept: 3,
      keptBy: { 'items_order_id_fkey on app.items': 3 },
      rowsLeft: 0,
      overdueSeconds: null,
    });
    expect(real.run.status).toBe('succeeded');
  });

  it('says nothing of rows that are held as well, in a dry run as in a real one, also where a due row is a child', async () => {
    await db.sql.unsafe(`
      create table app.nodes (id integer primary key, parent integer references app.nodes,
        ref integer constraint nodes_hold references app.nodes, deleted_at timestamptz);
      create table app.kept (node_id integer references app.nodes);
      create table app.held (node_id integer constraint held_hold references app.nodes);
      insert into app.nodes values (1, null, null, ${due}), (2, 1, null, ${due}), (3, null, 2, ${due});
      insert into app.kept values (1), (2);
      insert into app.held values (3);
      create index on app.nodes (deleted_at); create index on app.nodes (parent); create index on app.nodes (ref);
      create index on app.kept (node_id); create index on app.held (node_id);
      select nightshift.add_retention_policy('app.nodes', '30 days', max_fraction => 1, keep => array['app.kept'],
        with_children => array['app.nodes(parent)']);
    `);
    for (const dryRun of [true, false]) {
      expect(stepOf(await runPurge(db, { dryRun }), 'app.nodes')).toMatchObject({
        rowsBlocked: 3,
        blockedBy: { 'nodes_hold on app.nodes': 2, 'held_hold on app.held': 1 },
        rowsKept: 0,
      });
    }
  });

  it('below a child keeps the parent, whatever else would have gone with that child and refers to others', async () => {
    await db.sql.unsafe(`
      create table app.projects (id integer primary key, deleted_at timestamptz);
      create table app.issues (id integer primary key, project_id integer references app.projects);
      create table app.labels (id integer primary key, project_id integer references app.projects);
      create table app.tags (issue_id integer references app.issues, label_id integer references app.labels);
      create table app.links (id integer primary key, issue_id integer references app.issues);
      insert into app.projects select id, ${due} from generate_series(1, 3) id;
      insert into app.issues select id, id from generate_series(1, 3) id;
      insert into app.labels select id, id from generate_series(1, 3) id;
      insert into app.tags select id, id from generate_series(1, 3) id;
      insert into app.links values (1, 1);
      select nightshift.add_retention_policy('app.projects', '30 days', keep => array['app.links'],
        with_children => array['app.issues', 'app.labels', 'app.tags(issue_id)']);
    `);
    const dry = await runPurge(db, { dryRun: true });
    const real = await runPurge(db);
    for (const result of [dry, real]) {
      expect(stepOf(result, 'app.projects')).toMatchObject({
        status: 'succeeded',
        rowsPurged: 2,
        rowsBlocked: 0,
        rowsKept: 1,
      });
    }
    expect(await idsOf(db.sql, 'app.issues')).toEqual([1]);
  });

  it.each(['with', 'without'])(
    'of a row that holds nothing back is no excuse for one that does, %s an index',
    async (index) => {
      await db.sql.unsafe(`
        create table app.owners (id integer primary key, deleted_at timestamptz);
        create table app.teams (id integer primary key, owner_id integer references app.owners, deleted_at timestamptz);
        create table app.notes (id integer primary key, team_id integer references app.teams);
        insert into app.owners select id, ${due} from generate_series(1, 2) id;
        insert into app.teams values (1, 1, ${due}), (2, 2, ${due}), (3, 2, null);
        insert into app.notes values (1, 1), (2, 2);
        ${index === 'with' ? 'create index on app.teams (owner_id);' : ''}
        select nightshift.add_retention_policy('app.owners', '30 days');
        select nightshift.add_retention_policy('app.teams', '30 days', keep => array['app.notes']);
      `);
      const dry = await runPurge(db, { dryRun: true });
      const real = await runPurge(db);
      for (const result of [dry, real]) {
        expect(stepOf(result, 'app.teams')).toMatchObject({ rowsKept: 2, rowsBlocked: 0 });
        expect(stepOf(result, 'app.owners')).toMatchObject({ rowsKept: 1, rowsBlocked: 1 });
      }
    },
  );
});

describe('what a policy says of foreign keys', () => {
  const createMessages = () =>
    db.sql.unsafe(`
      create table app.users (id integer primary key, deleted_at timestamptz);
      create table app.messages (
        id integer primary key, sender integer references app.users, "the receiver" integer references app.users
      );
      create index on app.users (deleted_at);
      create index on app.messages (sender);
      create index on app.messages ("the receiver");
      insert into app.users select id, case when id <= 2 then ${due} end from generate_series(1, 4) id;
      insert into app.messages values (1, 1, 3), (2, 3, 2), (3, 3, 4), (4, 2, 1);
    `);

  it('is by key where a table has several, and ambiguous names are refused with those there are', async () => {
    await createMessages();
    const hint = await hintOf(
      "select nightshift.add_retention_policy('app.users', '30 days', with_children => array['app.messages'])",
    );
    expect(hint).toContain(`'app.messages(sender)', 'app.messages("the receiver")'`);
    const [{ policy }] = await db.sql<[{ policy: Record<string, unknown> }]>`
      select nightshift.add_retention_policy('app.users', '30 days',
        with_children => array['app.messages( sender )', 'app.messages("the receiver")']) as policy`;
    expect(policy.withChildren).toEqual(['app.messages("the receiver")', 'app.messages(sender)']);
    const result = await runPurge(db);
    expect(stepOf(result, 'app.users')).toMatchObject({
      rowsPurged: 2,
      children: { 'app.messages': 3 },
    });
    expect(await idsOf(db.sql, 'app.messages')).toEqual([3]);
  });

  it.each([
    ['app.items', 'app.notes'],
    ['app.notes', 'app.items'],
  ])(
    'is of the key nearest to the policy, in whatever order tables are named: %s, %s',
    async (...tables) => {
      await createOrders('');
      await db.sql.unsafe(`
      alter table app.notes add order_id integer references app.orders;
      create index on app.notes (order_id);
      update app.notes n set order_id = i.order_id from app.items i where i.id = n.item_id;
    `);
      const [{ policy }] = await db.sql<[{ policy: Record<string, unknown> }]>`
      select nightshift.alter_retention_policy('app.orders', with_children => ${tables}) as policy`;
      expect(policy.withChildren).toEqual(['app.items(order_id)', 'app.notes(order_id)']);
      expect(stepOf(await runPurge(db), 'app.orders')).toMatchObject({
        rowsPurged: 5,
        children: { 'app.items': 15, 'app.notes': 15 },
      });
    },
  );

  it('can be one thing for one key and another for the next', async () => {
    await createMessages();
    await db.sql`
      select nightshift.add_retention_policy('app.users', '30 days', with_children => array['app.messages(sender)'])`;
    const result = await runPurge(db);
    // User 2 has received a message of user 3, which stays.
    expect(stepOf(result, 'app.users')).toMatchObject({ rowsPurged: 0, rowsBlocked: 2 });
    await db.sql`select nightshift.alter_retention_policy('app.users', keep => array['app.messages("the receiver")'])`;
    expect((await runPurge(db)).run.status).toBe('succeeded');
  });

  it('is shown, changed and taken back', async () => {
    await createOrders(", with_children => array['app.items', 'app.notes']");
    const [{ listed }] = await db.sql<
      [{ listed: unknown[] }]
    >`select nightshift.list_retention_policies() as listed`;
    expect(listed).toMatchObject([
      { withChildren: ['app.items(order_id)', 'app.notes(item_id)'], release: [], keep: [] },
    ]);
    const [{ altered }] = await db.sql<[{ altered: unknown }]>`
      select nightshift.alter_retention_policy('app.orders', with_children => '{}', keep => array['app.items']) as altered`;
    expect(altered).toMatchObject({ withChildren: [], keep: ['app.items(order_id)'] });
    await db.sql`select nightshift.remove_retention_policy('app.orders')`;
    expect(await db.sql`select from nightshift.retention_keys`).toHaveLength(0);
  });

  it.each([
    ["with_children => array['app.nosuch']", /Name tables as SQL does/],
    ["with_children => array['app.notes']", /These refer to them: 'app.items\(order_id\)'/],
    ["release => array['app.items']", /on delete set null/],
    [
      "with_children => array['app.items'], keep => array['app.items(order_id)']",
      /one of the three/,
    ],
    ["first_purge => 'some'", /accepts once/],
  ])('is refused with the fix: %s', async (options, fix) => {
    await createOrders('');
    await db.sql`select nightshift.remove_retention_policy('app.orders')`;
    expect(
      await hintOf(`select nightshift.add_retention_policy('app.orders', '30 days', ${options})`),
    ).toMatch(fix);
  });

  it('is refused where a released column cannot be null', async () => {
    await createOrders('', 'set null');
    await db.sql`select nightshift.remove_retention_policy('app.orders')`;
    expect(
      await hintOf(
        "select nightshift.add_retention_policy('app.orders', '30 days', release => array['app.items'])",
      ),
    ).toMatch('alter table app.items alter order_id drop not null;');
  });

  it('goes for a name that is of another key by now: that one holds', async () => {
    await createOrders(", with_children => array['app.items', 'app.notes']");
    await db.sql.unsafe('alter table app.items rename constraint items_order_id_fkey to other');
    const result = await runPurge(db);
    expect(stepOf(result, 'app.orders')).toMatchObject({
      rowsPurged: 0,
      blockedBy: { 'other on app.items': 5 },
    });
  });
});
