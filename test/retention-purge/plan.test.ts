import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';

/** What will block is known before: when a policy is declared or changed, in a plan, and in what a run says to do. */
const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const due = "now() - interval '40 days'";

interface Holder {
  table: string;
  key: string;
  rows: number | null;
  rowsExact: boolean;
  fix: string;
}

interface Planned {
  relation: string;
  goes?: number;
  goesExact?: boolean;
  goesAtMost?: boolean;
  outOfTime?: boolean;
  problem?: unknown;
  refusal?: string | null;
  keys?: {
    key: string;
    table: string;
    under: string | null;
    role: string;
    rows: number | null;
    rowsExact: boolean;
    rowsInPart: boolean;
    createIndex: string | null;
  }[];
}

async function declare(call: string): Promise<Holder[]> {
  const [row] = await db.sql.unsafe(`select nightshift.${call} as policy`);
  return row?.policy.holders;
}

async function preview(): Promise<Planned[]> {
  const [row] = await db.sql<[{ plan: Planned[] }]>`
    select nightshift.preview_retention_purge() as plan`;
  return row.plan;
}

const first = (fix: string) => fix.split(' -- ')[0] ?? '';

/** Ten orders of which the first five are due, each with two items, of which the ones of order 1 have a note. */
async function createOrders(): Promise<void> {
  await db.sql.unsafe(`
    create table app.orders (id integer primary key, deleted_at timestamptz);
    create table app.items (id integer primary key, order_id integer not null references app.orders);
    create table app.notes (id integer primary key, item_id integer references app.items);
    create table app.refunds (id integer primary key, order_id integer references app.orders on delete set null);
    insert into app.orders select id, case when id <= 5 then ${due} end from generate_series(1, 10) id;
    insert into app.items select id, 1 + id % 10 from generate_series(0, 19) id;
    insert into app.notes values (1, 0), (2, 10);
    insert into app.refunds values (1, 2), (2, 9);
    create index on app.orders (deleted_at);
    create index on app.items (order_id);
    create index on app.notes (item_id);
    create index on app.refunds (order_id);
  `);
}

describe('a policy that is declared or changed', () => {
  it('says which tables would hold rows, how many, and the call that settles it', async () => {
    await createOrders();
    const holders = await declare("add_retention_policy('app.orders', '30 days')");
    expect(holders).toEqual([
      {
        table: 'app.items',
        key: 'items_order_id_fkey on app.items',
        rows: 5,
        rowsExact: true,
        fix: "select nightshift.settle_reference('app.orders', 'app.items(order_id)', 'with_children'); -- or, to let both stay: 'keep'",
      },
      {
        table: 'app.refunds',
        key: 'refunds_order_id_fkey on app.refunds',
        rows: 1,
        rowsExact: true,
        fix: "select nightshift.settle_reference('app.orders', 'app.refunds(order_id)', 'release'); -- or, so that they go along: 'with_children'",
      },
    ]);
    // Each call leaves what the others said, and the children have children.
    for (const { fix } of holders) await db.sql.unsafe(first(fix));
    const [below, ...others] = await declare("alter_retention_policy('app.orders')");
    expect(others).toEqual([]);
    expect(below).toMatchObject({ table: 'app.notes', rows: 1, rowsExact: true });
    await db.sql.unsafe(first(below?.fix ?? ''));
    expect(await declare("alter_retention_policy('app.orders')")).toEqual([]);
    const result = await runPurge(db);
    expect(result.run.status).toBe('succeeded');
    expect(stepOf(result, 'app.orders')).toMatchObject({
      rowsPurged: 5,
      children: { 'app.items': 10, 'app.notes': 2 },
      released: { 'app.refunds': 1 },
      fixes: [],
    });
  });

  it('is told to let rows stay as the other way, which is done as well', async () => {
    await createOrders();
    const holders = await declare("add_retention_policy('app.orders', '30 days')");
    const [items] = holders;
    expect(items?.fix).toMatch(/ -- or, to let both stay: 'keep'$/);
    await db.sql.unsafe(first(items?.fix ?? '').replace("'with_children'", "'keep'"));
    const left = await declare("alter_retention_policy('app.orders')");
    expect(left.map(({ table }) => table)).toEqual(['app.refunds']);
    expect(stepOf(await runPurge(db), 'app.orders')).toMatchObject({ rowsKept: 4, rowsBlocked: 1 });
  });

  it.each([
    [
      'a marker of its own',
      'add column deleted_at timestamptz',
      /^select nightshift.add_retention/,
    ],
    [
      'a time that every row has',
      'add column deleted_at timestamptz default now() not null',
      /^select nightshift.settle_reference\('app.orders', 'app.items\(order_id\)', 'with_children/,
    ],
  ])('is told of a table with %s what fits it', async (_, column, call) => {
    await createOrders();
    await db.sql.unsafe(`alter table app.items ${column}; create index on app.items (deleted_at)`);
    const [items] = await declare("add_retention_policy('app.orders', '30 days')");
    expect(items?.fix).toMatch(call);
    await db.sql.unsafe(first(items?.fix ?? ''));
    const left = await declare("alter_retention_policy('app.orders')");
    expect(left.map(({ table }) => table)).not.toContain('app.items');
  });

  it.each([
    ['of a table with a policy of its own', 'app.audits', 'audits'],
    ['of the table itself', 'app.orders', 'orders'],
  ])('is told to release a key %s that a deletion would set to null', async (_, table, name) => {
    await createOrders();
    await db.sql.unsafe(`
      create table app.audits (id integer primary key, deleted_at timestamptz);
      alter table ${table} add column former_id integer references app.orders on delete set null;
      create index on ${table} (former_id);
      insert into app.audits select n from generate_series(1, 9) n;
      update ${table} set former_id = 1 where id = 9;
      select nightshift.add_retention_policy('app.audits', '30 days');
    `);
    await declare(
      "add_retention_policy('app.orders', '30 days', with_children => array['app.items', 'app.notes'])",
    );
    const { fixes } = stepOf(await runPurge(db), 'app.orders');
    const { fix = '' } = fixes.find(({ subject }) => subject.startsWith(`${name}_former_id`)) ?? {};
    expect(fix).toMatch(/^select nightshift.settle_reference\('app.orders', '.*', 'release'\);/);
    expect(fix).not.toContain('with_children');
    await db.sql.unsafe(first(fix));
    expect(stepOf(await runPurge(db), 'app.orders').released).toEqual({ [table]: 1 });
  });

  it('is told first that rows with a policy of their own may wait, where it could only take them along', async () => {
    await createOrders();
    await db.sql.unsafe(`
      alter table app.items add column deleted_at timestamptz; create index on app.items (deleted_at);
      select nightshift.add_retention_policy('app.items', '30 days')`);
    await declare("add_retention_policy('app.orders', '30 days')");
    const { fixes } = stepOf(await runPurge(db), 'app.orders');
    expect(fixes.find(({ subject }) => subject.startsWith('items_'))?.fix).toMatch(
      /^Nothing, if they can wait: rows of app.items go .* -- or at once: select nightshift.settle_reference\('app.orders', 'app.items\(order_id\)', 'with_children'\);$/,
    );
  });

  it('says at most of rows whose holder is due itself, and may be needed by another', async () => {
    const plan = async () => (await preview()).find(({ relation }) => relation === 'app.tops');
    await db.sql.unsafe(`
      create table app.tops (id integer primary key, deleted_at timestamptz);
      create table app.middles (id integer primary key, top_id integer references app.tops, deleted_at timestamptz);
      insert into app.tops select n, ${due} from generate_series(1, 9) n;
      insert into app.middles select n, n, ${due} from generate_series(1, 9) n;
      create index on app.tops (deleted_at);
      create index on app.middles (deleted_at);
      create index on app.middles (top_id);
      select nightshift.add_retention_policy('app.tops', '30 days', max_fraction => 1);
      select nightshift.add_retention_policy('app.middles', '30 days', max_fraction => 1);
    `);
    expect(await plan()).toMatchObject({
      goes: 9,
      goesAtMost: false,
      keys: [{ rows: 0, rowsExact: true }],
    });
    await db.sql.unsafe(`
      create table app.ends (id integer primary key, middle_id integer references app.middles);
      create index on app.ends (middle_id);
      insert into app.ends select n, n from generate_series(1, 9) n;
    `);
    expect(await plan()).toMatchObject({
      goes: 9,
      goesAtMost: true,
      keys: [{ rows: 0, rowsExact: false }],
    });
    expect(stepOf(await runPurge(db), 'app.tops')).toMatchObject({ rowsPurged: 0, rowsBlocked: 9 });
  });

  it.each([
    [
      'the flag as well',
      'add column changed_at timestamptz default now() not null, add column gone boolean default false not null',
      /^select nightshift.add_retention_policy\('app.items', '30 days', marker_column => 'changed_at', flag_column => 'gone'\);/,
    ],
    [
      'the time alone',
      'add column changed_at timestamptz',
      /^select nightshift.settle_reference\('app.orders', 'app.items\(order_id\)', 'with_children/,
    ],
  ])('is told of no live row that it is due where a table has %s', async (_, columns, call) => {
    await createOrders();
    await db.sql.unsafe(`
      alter table app.orders rename deleted_at to changed_at;
      alter table app.orders add column gone boolean default false not null;
      alter table app.items ${columns};
      create index on app.items (changed_at)`);
    const [items] = await declare(
      "add_retention_policy('app.orders', '30 days', marker_column => 'changed_at', flag_column => 'gone')",
    );
    expect(items?.fix).toMatch(call);
    await db.sql.unsafe(first(items?.fix ?? ''));
  });

  it('is told to switch a policy on again', async () => {
    await createOrders();
    await db.sql.unsafe(`
      alter table app.items add column deleted_at timestamptz; create index on app.items (deleted_at);
      select nightshift.add_retention_policy('app.items', '30 days', enabled => false)`);
    const [items] = await declare("add_retention_policy('app.orders', '30 days')");
    expect(items?.fix).toMatch(/^select .*'app.items', enabled => true\);/);
  });

  it('says of a table that the brake would keep a run from it, as the run then does', async () => {
    await db.sql.unsafe(`
      create table app.logs (deleted_at timestamptz); create index on app.logs (deleted_at);
      insert into app.logs select case when n > 400 then ${due} end from generate_series(1, 1000) n;
      select nightshift.add_retention_policy('app.logs', '30 days')`);
    const [braked] = await preview();
    expect(braked).toMatchObject({
      goes: 600,
      refusal: expect.stringMatching(/^app\.logs: at least 600 of 1000 rows would go \(60%\)/),
    });
    expect(stepOf(await runPurge(db), 'app.logs').error?.message).toBe(braked?.refusal);
    await db.sql`select nightshift.alter_retention_policy('app.logs', first_purge => 'all')`;
    expect(await preview()).toMatchObject([{ goes: 600, refusal: null }]);
    expect(stepOf(await runPurge(db), 'app.logs').rowsPurged).toBe(600);
  });

  it('estimates the rows of large tables, and reads none of them as a whole', async () => {
    await createOrders();
    await db.sql.unsafe(`
      insert into app.orders select id, ${due} from generate_series(11, 6010) id;
      insert into app.items select id, id from generate_series(20, 4010) id;
      create table app.logs (order_id integer references app.orders, line text);
      insert into app.logs select 11, repeat('x', 1000) from generate_series(1, 8000);
      analyze`);
    const scans = async () => {
      await db.sql`select pg_stat_force_next_flush()`;
      const [row] = await db.sql<[{ n: number }]>`
        select sum(seq_scan)::int as n from pg_stat_user_tables where relname in ('items', 'logs')`;
      return row.n;
    };
    const before = await scans();
    const holders = await declare("add_retention_policy('app.orders', '30 days')");
    const rowsOf = (table: string) => holders.find((holder) => holder.table === table);
    expect(rowsOf('app.items')).toMatchObject({ rowsExact: false });
    // 3,996 of 6,005, by a sample of 500.
    expect(rowsOf('app.items')?.rows).toBeGreaterThan(3_000);
    // Without an index it is not known.
    expect(rowsOf('app.logs')).toMatchObject({ rows: null, rowsExact: false });
    expect(await scans()).toBe(before);
  });
});

describe('what is offered at once', () => {
  /** Two policies, and tables that refer to one of them or to both, once or twice. */
  beforeEach(async () => {
    await createOrders();
    await db.sql.unsafe(`
      create table app.users (id integer primary key, deleted_at timestamptz);
      create table app.messages (sender integer references app.users, receiver integer references app.users);
      create table app.labels (order_id integer references app.orders on delete cascade, foreign key (order_id) references app.orders);
      create table app.drafts (order_id integer not null references app.orders on delete set null);
      create table app.parcels (
        id integer primary key, order_id integer references app.orders, user_id integer references app.users, deleted_at timestamptz
      );
      insert into app.users select id, ${due} - interval '1 year' from generate_series(1, 10) id;
      insert into app.messages select id, 11 - id from generate_series(1, 10) id;
      insert into app.labels values (3); insert into app.drafts values (4); insert into app.parcels values (1, 5, 5);
      create index on app.users (deleted_at);
      create index on app.messages (sender);
      create index on app.messages (receiver);
      create index on app.labels (order_id);
      create index on app.drafts (order_id);
      create index on app.parcels (order_id);
      create index on app.parcels (user_id);
      select nightshift.add_retention_policy('app.orders', '30 days'), nightshift.add_retention_policy('app.users', '90 days');
    `);
  });

  interface Declared {
    relation: string;
    dropAfter: string;
    withChildren: string[];
    release: string[];
    keep: string[];
  }

  /** In a transaction that is undone, as they are pasted all at once. */
  async function policiesAfter(calls: readonly string[]): Promise<Declared[]> {
    const own = await db.sql.reserve();
    try {
      await own`begin`;
      for (const call of calls) await own.unsafe(call);
      const [row] = await own<[{ policies: Declared[] }]>`
        select nightshift.list_retention_policies() as policies`;
      return row.policies.map(({ relation, dropAfter, withChildren, release, keep }) => ({
        relation,
        dropAfter,
        withChildren,
        release,
        keep,
      }));
    } finally {
      await own`rollback`;
      own.release();
    }
  }

  async function callsOffered(): Promise<string[]> {
    const [row] = await db.sql<[{ plan: { keys: { fix: string | null }[] }[] }]>`
      select nightshift.preview_retention_purge() as plan`;
    const fixes = row.plan.flatMap(({ keys }) => keys.map(({ fix }) => first(fix ?? '')));
    return [...new Set(fixes)];
  }

  it('can be pasted in any order, and does what it says', async () => {
    const calls = await callsOffered();
    const after = await policiesAfter(calls);
    expect(after).toEqual(
      expect.arrayContaining([
        {
          relation: 'app.orders',
          dropAfter: '30 days',
          // Of a column that cannot be null, a reference cannot be released.
          withChildren: ['app.drafts(order_id)', 'app.items(order_id)', 'app.labels(order_id)'],
          release: ['app.refunds(order_id)'],
          keep: [],
        },
        {
          relation: 'app.users',
          dropAfter: '90 days',
          withChildren: ['app.messages(receiver)', 'app.messages(sender)'],
          release: [],
          keep: [],
        },
        // Both would have it purged, and one window is for all of it.
        {
          relation: 'app.parcels',
          dropAfter: '90 days',
          withChildren: [],
          release: [],
          keep: [],
        },
      ]),
    );
    expect(after).toHaveLength(3);
    expect(await policiesAfter(calls.toReversed())).toEqual(after);
    const sorted = calls.toSorted((a, b) => a.slice(60).localeCompare(b.slice(60)));
    expect(await policiesAfter(sorted)).toEqual(after);
  });

  it('leaves what was said of other keys, and may be said again', async () => {
    await db.sql`
      select nightshift.alter_retention_policy('app.orders', with_children => array['app.items', 'app.notes'], keep => array['app.labels(order_id)'])`;
    const call =
      "select nightshift.settle_reference('app.orders', 'app.refunds', 'release') as policy";
    for (const _ of ['once', 'again']) {
      const [row] = await db.sql.unsafe(call);
      expect(row?.policy).toMatchObject({
        relation: 'app.orders',
        withChildren: ['app.items(order_id)', 'app.notes(item_id)'],
        release: ['app.refunds(order_id)'],
        keep: ['app.labels(order_id)'],
      });
    }
    const [settled] = await db.sql`
      select nightshift.settle_reference('app.orders', 'app.refunds(order_id)', 'keep') as policy`;
    expect(settled?.policy).toMatchObject({ release: [], keep: { length: 2 } });
    const [taken] = await db.sql`
      select nightshift.settle_reference('app.orders', 'app.refunds(order_id)', 'hold') as policy`;
    expect(taken?.policy).toMatchObject({ release: [], keep: { length: 1 } });
  });

  it.each([
    ['app.parcels', 'app.labels', 'keep', 'NS404', /has no retention policy/],
    ['app.orders', 'app.labels', 'cascade', 'NS422', /cannot be settled as 'cascade'/],
    ['app.orders', 'app.labels', null, 'NS422', /cannot be settled as null/],
    ['app.orders', 'app.messages', 'keep', 'NS422', /does not refer to rows of app.orders/],
    ['app.orders', 'app.nothing', 'keep', 'NS404', /There is no table app.nothing/],
    ['app.users', 'app.messages', 'keep', 'NS422', /in several ways/],
    ['app.orders', 'app.items', 'release', 'NS422', /does not say what becomes of a reference/],
    ['app.orders', 'app.drafts', 'release', 'NS422', /order_id of app.drafts cannot be null/],
  ])('refuses for %s that %s is settled as %s', async (relation, reference, role, code, says) => {
    const call = db.sql`select nightshift.settle_reference(${relation}, ${reference}, ${role})`;
    await expect(call).rejects.toMatchObject({
      code,
      message: expect.stringMatching(says),
      hint: expect.stringMatching(/\w/),
    });
  });

  it('takes no child back while what refers to it goes along with it', async () => {
    const settle = (reference: string, role: string) =>
      db.sql`select nightshift.settle_reference('app.orders', ${reference}, ${role})`;
    await settle('app.items', 'with_children');
    await settle('app.notes', 'with_children');
    await expect(settle('app.items', 'keep')).rejects.toMatchObject({
      code: 'NS422',
      message: expect.stringMatching(/app.notes no longer refers to rows/),
      hint: expect.stringMatching(/as hold/),
    });
    await settle('app.notes', 'hold');
    await settle('app.items', 'keep');
  });

  describe('once the key of a child is gone', () => {
    const settle = (reference: string, role: string) =>
      db.sql`select nightshift.settle_reference('app.orders', ${reference}, ${role})`;
    const alter = () =>
      db.sql`select nightshift.alter_retention_policy('app.orders', drop_after => '31 days')`;
    beforeEach(async () => {
      await settle('app.items', 'with_children');
      await settle('app.notes', 'with_children');
      await db.sql`alter table app.items drop constraint items_order_id_fkey`;
      await expect(alter()).rejects.toMatchObject({ hint: expect.stringMatching(/as hold/) });
    });

    it('takes back what was said of it after what was said of those below it', async () => {
      await expect(settle('app.items', 'hold')).rejects.toMatchObject({
        message: expect.stringMatching(/^app.notes no longer refers/),
      });
      await settle('app.notes', 'hold');
      await settle('app.items(order_id)', 'hold');
      await expect(settle('app.items', 'hold')).rejects.toMatchObject({ code: 'NS422' });
      await alter();
    });

    it('says only what it is told of one that took its place', async () => {
      await settle('app.notes', 'hold');
      await db.sql`
        alter table app.items add constraint anew foreign key (order_id) references app.orders`;
      await settle('app.items', 'keep');
      await alter();
      const [row] = await db.sql`
        select array_agg(k.role) as roles from nightshift.retention_keys k where k.referencing = 'app.items'::regclass`;
      expect(row?.roles).toEqual(['keep']);
    });
  });

  it('finds each key by the name that is offered, however its columns are called', async () => {
    await db.sql.unsafe(`
      create table app."line(s)" (
        "a(b)" integer references app.orders, "c,d" integer references app.orders, "e  , f" integer references app.orders,
        "g)" integer references app.orders, """" integer references app.orders, "x) or (true" integer references app.orders)`);
    const offered = await db.sql<{ fix: string }[]>`
      select regexp_replace(nightshift.settle_key('app.orders', k.key), ' --.*', '') as fix
      from nightshift.purge_keys(array['app.orders'::regclass::oid]) k
      where k.referencing = 'app."line(s)"'::regclass`;
    expect(offered).toHaveLength(6);
    for (const { fix } of offered) await db.sql.unsafe(fix);
    const [row] = await db.sql`
      select count(*)::integer from nightshift.retention_keys k where k.referencing = 'app."line(s)"'::regclass`;
    expect(row?.count).toBe(6);
  });
});

describe('a plan', () => {
  it.each([3_000, 30_000])(
    'is not misled by the oldest of %i rows, which are those that were left',
    async (rows) => {
      await db.sql.unsafe(`
      create table app.orders (id integer primary key, deleted_at timestamptz, line text default repeat('x', 100));
      create table app.invoices (order_id integer references app.orders);
      insert into app.orders select id, now() - interval '90 days' + id * interval '1 second' from generate_series(1, ${rows}) id;
      insert into app.invoices select id from generate_series(1, ${rows / 10}) id;
      create index on app.orders (deleted_at);
      create index on app.invoices (order_id);
      analyze;
      select nightshift.add_retention_policy('app.orders', '30 days')`);
      const [orders] = await preview();
      // 90 of 100 go; a sample may be some way off.
      expect((orders?.goes ?? 0) / rows).toBeGreaterThan(0.8);
      expect((orders?.goes ?? 0) / rows).toBeLessThan(1);
      expect(orders?.goesExact).toBe(false);
    },
  );

  it('has who refers to whom, and what goes is what a dry run counts', async () => {
    await createOrders();
    await db.sql.unsafe(`
      drop index app.notes_item_id_idx;
      select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 1,
        with_children => array['app.items'], release => array['app.refunds'])`);
    const [orders] = await preview();
    expect(orders).toMatchObject({ relation: 'app.orders', goes: 4, goesExact: true });
    expect(orders?.keys).toMatchObject([
      { table: 'app.items', under: null, role: 'child', rows: 8, rowsExact: true },
      { table: 'app.refunds', under: null, role: 'release', rows: 1, rowsExact: true },
      {
        table: 'app.notes',
        under: 'items_order_id_fkey on app.items',
        role: 'hold',
        rows: 1,
        createIndex: 'create index concurrently on app.notes (item_id);',
      },
    ]);
    expect(stepOf(await runPurge(db, { dryRun: true }), 'app.orders')).toMatchObject({
      rowsPurged: 4,
      children: { 'app.items': 8 },
      released: { 'app.refunds': 1 },
      blockedBy: { 'notes_item_id_fkey on app.notes': 1 },
    });
  });

  describe('of 4,000 due rows', () => {
    const rows = 4_000;
    beforeEach(() =>
      db.sql.unsafe(`
        create table app.orders (id integer primary key, deleted_at timestamptz, line text default repeat('x', 100));
        create table app.invoices (order_id integer references app.orders);
        create table app.logs (order_id integer references app.orders, line text);
        insert into app.orders select id, ${due} from generate_series(1, ${rows}) id;
        insert into app.invoices select id from generate_series(1, ${rows}, 2) id;
        insert into app.logs select id, repeat('x', 30) from generate_series(1, ${rows}) id order by random();
        create index on app.orders (deleted_at);
        create index on app.invoices (order_id);
        analyze;
        select nightshift.add_retention_policy('app.orders', '30 days')`),
    );

    it('promises nothing of those that a walk did not reach', async () => {
      // Each look into the logs reads 40 pages or so, so that they are asked of some of the sample alone.
      const [orders] = await preview();
      expect(orders?.keys).toMatchObject([{ rowsExact: false }, { rowsExact: false }]);
      expect(orders).toMatchObject({ goes: 0, goesAtMost: false });
    });

    it('reckons with those that a walk did reach, beside those that another did', async () => {
      await db.sql`delete from app.logs where order_id % 10 < 5`;
      const [orders] = await preview();
      // Invoices hold the odd ones, and logs those that end with 5 to 9: 3 of 10 are left.
      expect((orders?.goes ?? 0) / rows).toBeGreaterThan(0.2);
      expect((orders?.goes ?? 0) / rows).toBeLessThan(0.4);
      expect(orders?.goesAtMost).toBe(false);
    });

    it('says of a large table without an index that fewer may go', async () => {
      await db.sql`insert into app.logs select 1, repeat('x', 1000) from generate_series(1, 8000)`;
      await db.sql`analyze app.logs`;
      const [orders] = await preview();
      expect(orders?.keys?.find(({ table }) => table === 'app.logs')).toMatchObject({ rows: null });
      expect((orders?.goes ?? 0) / rows).toBeGreaterThan(0.4);
      expect((orders?.goes ?? 0) / rows).toBeLessThan(0.6);
      expect(orders).toMatchObject({ goesAtMost: true, goesExact: false });
    });
  });

  it('says that a figure is in part where several keys lead to what it is of', async () => {
    await createOrders();
    await db.sql.unsafe(`
      alter table app.items add column later_id integer references app.orders;
      create index on app.items (later_id);
      update app.items set later_id = 1 where id = 19;
      insert into app.notes values (3, 19);
      create table app.marks (id integer primary key, note_id integer references app.notes);
      create index on app.marks (note_id);
      insert into app.marks values (1, 3);
      select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 1,
        with_children => array['app.items(order_id)', 'app.items(later_id)', 'app.notes'], release => array['app.refunds'])`);
    const [orders] = await preview();
    const inPart = orders?.keys?.filter(({ rowsInPart }) => rowsInPart).map(({ table }) => table);
    expect(inPart).toEqual(['app.notes', 'app.marks']);
    // The mark is on a note of item 19, which goes with order 1 by later_id.
    const dry = stepOf(await runPurge(db, { dryRun: true }), 'app.orders');
    expect(dry).toMatchObject({ rowsPurged: 4, rowsBlocked: 1 });
    expect(orders).toMatchObject({ goesAtMost: true, goesExact: false });
    await db.sql`alter table app.items drop column later_id`;
    const [single] = await preview();
    expect(single?.keys?.some(({ rowsInPart }) => rowsInPart)).toBe(false);
    expect(single).toMatchObject({ goesAtMost: false, goesExact: true });
  });

  it.each([
    ['of replies', 'app.replies(post_id)', 'parent_id integer references app.replies'],
    ['of the same posts', 'app.replies(post_id)', 'also_id integer references app.posts'],
  ])(
    'does not take a row %s that goes along for one that keeps what it refers to',
    async (_, child, column) => {
      await db.sql.unsafe(`
      create table app.posts (id integer primary key, deleted_at timestamptz);
      create table app.replies (id integer primary key, post_id integer not null references app.posts, ${column});
      insert into app.posts select id, case when id <= 5 then ${due} end from generate_series(1, 10) id;
      -- One that stays refers to what post 5 would take along, or to post 5 itself.
      insert into app.replies select id, id from generate_series(1, 5) id;
      insert into app.replies select 10 + id, id, id from generate_series(1, 4) id;
      insert into app.replies values (20, 10, 5);
      create index on app.posts (deleted_at);
      create index on app.replies (post_id);
      create index on app.replies (${column.split(' ')[0]});
      select nightshift.add_retention_policy('app.posts', '30 days', max_fraction => 1, with_children => array['${child}'])`);
      const [posts] = await preview();
      expect(posts).toMatchObject({ goes: 4, goesExact: false, goesAtMost: true });
      expect(posts?.keys?.find(({ role }) => role === 'hold')).toMatchObject({
        rows: 1,
        rowsExact: false,
      });
      expect(stepOf(await runPurge(db, { dryRun: true }), 'app.posts')).toMatchObject({
        rowsPurged: 4,
        rowsBlocked: 1,
      });
    },
  );

  it('says that there was no time to follow the keys', async () => {
    await createOrders();
    await db.sql`select nightshift.add_retention_policy('app.orders', '30 days')`;
    const look = async (budgetMs: number) => {
      const [row] = await db.sql<[{ plan: Planned[] }]>`
        select nightshift.preview_retention_purge(now(), ${budgetMs}) as plan`;
      return row.plan[0];
    };
    expect(await look(0)).toMatchObject({
      outOfTime: true,
      goesAtMost: true,
      keys: [{ rows: null }, { rows: null }],
    });
    expect(await look(10_000)).toMatchObject({ outOfTime: false, goes: 0 });
  });

  it('goes round in no circle, and shows each key once', async () => {
    await db.sql.unsafe(`
      create table app.posts (id integer primary key, deleted_at timestamptz);
      create table app.comments (id integer primary key, post_id integer references app.posts, parent_id integer references app.comments);
      insert into app.posts select id, ${due} from generate_series(1, 3) id;
      insert into app.comments select id, 1 + id % 3, case when id > 3 then id - 3 end from generate_series(1, 30) id;
      create index on app.posts (deleted_at);
      create index on app.comments (post_id);
      create index on app.comments (parent_id);
      select nightshift.add_retention_policy('app.posts', '30 days', max_fraction => 1,
        with_children => array['app.comments(post_id)', 'app.comments(parent_id)'])`);
    const [posts] = await preview();
    expect(posts?.keys?.map(({ key, under }) => [key, under])).toEqual([
      ['comments_post_id_fkey on app.comments', null],
      ['comments_parent_id_fkey on app.comments', 'comments_post_id_fkey on app.comments'],
    ]);
    expect(posts?.goes).toBe(3);
  });

  it('is no run, takes no lease, waits for none, and deletes nothing', async () => {
    await createOrders();
    await db.sql`select nightshift.add_retention_policy('app.orders', '30 days', with_children => array['app.items', 'app.notes'])`;
    await db.sql`select nightshift.begin_run('retention-purge', 'cli')`;
    const count = () => db.sql`
      select (select count(*) from nightshift.runs), (select count(*) from app.orders), (select count(*) from app.items)`;
    const before = await count();
    expect(await preview()).toMatchObject([{ relation: 'app.orders', goes: 4 }]);
    expect(await count()).toEqual(before);
  });

  it('says of a policy that does not fit its table why, and draws the others', async () => {
    await createOrders();
    await db.sql.unsafe(`
      create table app.films (id integer primary key, deleted_at timestamptz); create index on app.films (deleted_at);
      select nightshift.add_retention_policy('app.films', '30 days'), nightshift.add_retention_policy('app.orders', '30 days');
      alter table app.films drop column deleted_at`);
    const plan = await preview();
    expect(plan.find(({ relation }) => relation === 'app.films')).toMatchObject({
      problem: { code: 'NS422' },
    });
    expect(plan.find(({ relation }) => relation === 'app.orders')).toMatchObject({ goes: 0 });
  });
});

describe('the report of a run', () => {
  it.each([false, true])(
    'names all keys that hold rows, each with its fix (dry run: %s)',
    async (dryRun) => {
      await createOrders();
      await db.sql`
      select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 1, with_children => array['app.items'])`;
      // Order 1 is needed by a note on an item, and by a refund.
      await db.sql`update app.refunds set order_id = 1 where id = 1`;
      const step = stepOf(await runPurge(db, { dryRun }), 'app.orders');
      expect(step).toMatchObject({
        rowsPurged: 4,
        rowsBlocked: 1,
        blockedBy: {
          'notes_item_id_fkey on app.notes': 1,
          'refunds_order_id_fkey on app.refunds': 1,
        },
      });
      expect(step.fixes.map(({ subject }) => subject).toSorted()).toEqual(
        Object.keys(step.blockedBy).toSorted(),
      );
      for (const { fix } of step.fixes) await db.sql.unsafe(first(fix));
      expect((await runPurge(db)).run.status).toBe('succeeded');
    },
  );

  it('names all keys where rows of several tables refer to each other in a circle', async () => {
    await db.sql.unsafe(`
      create table app.authors (id integer primary key, best_book integer, deleted_at timestamptz);
      create table app.books (id integer primary key, author integer references app.authors, deleted_at timestamptz);
      alter table app.authors add foreign key (best_book) references app.books;
      create table app.prizes (author integer references app.authors);
      create table app.fans (author integer references app.authors);
      insert into app.authors select id, null, ${due} from generate_series(1, 4) id;
      insert into app.books select id, id, ${due} from generate_series(1, 4) id;
      update app.authors set best_book = id;
      insert into app.prizes values (1), (2); insert into app.fans values (2), (3);
      create index on app.authors (deleted_at); create index on app.books (deleted_at);
      select nightshift.add_retention_policy('app.authors', '30 days'), nightshift.add_retention_policy('app.books', '30 days')`);
    const result = await runPurge(db);
    expect(stepOf(result, 'app.authors')).toMatchObject({
      rowsPurged: 1,
      rowsBlocked: 3,
      blockedBy: { 'prizes_author_fkey on app.prizes': 2, 'fans_author_fkey on app.fans': 2 },
    });
  });

  it('says what is not in the run, though it refers to a table that is and has a policy', async () => {
    await createOrders();
    await db.sql.unsafe(`
      alter table app.items add column deleted_at timestamptz; create index on app.items (deleted_at);
      delete from app.notes;
      update app.items set deleted_at = ${due};
      select nightshift.add_retention_policy('app.orders', '30 days', max_fraction => 1),
        nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1)`);
    const step = stepOf(await runPurge(db, { only: ['app.orders'] }), 'app.orders');
    expect(step).toMatchObject({
      leftOut: ['app.items'],
      fixes: expect.arrayContaining([
        {
          subject: 'items_order_id_fkey on app.items',
          fix: expect.stringMatching(/Let the run have app.items as well/),
        },
      ]),
    });
    const both = await runPurge(db, { only: ['app.orders', 'app.items'] });
    expect(both.report.steps.map(({ leftOut }) => leftOut)).toEqual([[], []]);
    expect(stepOf(both, 'app.orders').rowsPurged).toBe(4);
  });

  it('has nothing to do for rows that may stay', async () => {
    await createOrders();
    await db.sql`
      select nightshift.add_retention_policy('app.orders', '30 days', keep => array['app.items', 'app.refunds'])`;
    const result = await runPurge(db);
    expect(result.run.status).toBe('succeeded');
    expect(stepOf(result, 'app.orders')).toMatchObject({ rowsKept: 5, fixes: [] });
    expect((await preview())[0]?.keys).toMatchObject([
      { role: 'keep', rows: 5 },
      { role: 'keep', rows: 1 },
    ]);
  });
});
