import { createClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { readCheck } from '../support/health.ts';

let db: TestDatabase;
const connect = (url: string, key: string) =>
  createClient(url, key, { auth: { persistSession: false } }).schema('nightshift');
let api: ReturnType<typeof connect>;

beforeAll(async () => {
  db = await createDatabase();
  await db.sql.unsafe(`
    create table public.orders (
      id integer primary key, deleted_at timestamptz, "removedAt" timestamp, day date, note text,
      "isDeleted" boolean, created_at timestamptz not null default now()
    );
    create index on public.orders (deleted_at) where deleted_at is not null;
    create index on public.orders ("removedAt") where "isDeleted";
    create index on public.orders (day);
    -- Large, so that it needs an index, and empty.
    alter table public.orders set (autovacuum_enabled = off);
    insert into public.orders (id, note) select g, repeat('x', 1900) from generate_series(1, 5000) g;
    delete from public.orders;
    create view public.active_orders as select * from public.orders where deleted_at is null;
    create materialized view public.order_count as select count(*) from public.orders;
    create table public.ruled (id integer, deleted_at timestamptz);
    create index on public.ruled (deleted_at);
    create rule keep as on delete to public.ruled do instead nothing;
    create schema "Ünï ""Schema""";
    -- A name is resolved with the rights of whoever calls.
    grant usage on schema "Ünï ""Schema""" to service_role;
    create table "Ünï ""Schema"""."Order Lines ""x""; --" ("Id" integer primary key, "gone; at" timestamptz, "is ""gone""" boolean);
    create index on "Ünï ""Schema"""."Order Lines ""x""; --" ("gone; at");
    grant delete on "Ünï ""Schema"""."Order Lines ""x""; --" to service_role;
    create table public.parts (id integer, deleted_at timestamptz) partition by range (id);
    create table public.parts_1 partition of public.parts for values from (0) to (100);
    create index on public.parts (deleted_at);
    grant delete on all tables in schema public to service_role;
  `);
  const { url, secretKey } = await db.gateway();
  api = connect(url, secretKey);
});
afterAll(() => db.drop());

const policies = async () =>
  (await db.sql`select * from nightshift.retention_policies order by relation::text`).map(
    ({ created_at, ...policy }) => policy,
  );

describe('adding a policy', () => {
  it.each([
    [
      'an unknown relation',
      { relation: 'public.nothing' },
      '42P01',
      /"public.nothing" does not exist/,
    ],
    ['a view', { relation: 'public.active_orders' }, 'NS422', /active_orders is not a table/],
    ['a materialized view', { relation: 'public.order_count' }, 'NS422', /is not a table/],
    ['a system table', { relation: 'pg_catalog.pg_class' }, 'NS422', /belongs to the system/],
    [
      'a table of Nightshift',
      { relation: 'nightshift.runs', marker_column: 'finished_at' },
      'NS422',
      /belongs to the system/,
    ],
    [
      'a table with a rule instead of delete',
      { relation: 'public.ruled' },
      'NS422',
      /has a rule on DELETE/,
    ],
    ['a missing marker', { marker_column: 'gone_at' }, 'NS422', /has no column gone_at/],
    [
      'a marker that is no time',
      { marker_column: 'note' },
      'NS422',
      /note of public.orders is of type text, which is not a time/,
    ],
    ['a missing flag', { flag_column: 'deleted' }, 'NS422', /has no column deleted/],
    ['a flag that is not boolean', { flag_column: 'note' }, 'NS422', /note .* is not boolean/],
    [
      'a marker without index',
      { marker_column: 'created_at' },
      'NS422',
      /No index serves created_at/,
    ],
    [
      'an index that only serves flagged rows, without the flag',
      { marker_column: 'removedAt' },
      'NS422',
      /No index serves "removedAt"/,
    ],
    ['a null interval', { drop_after: null }, 'NS422', /positive interval, not null/],
    ['a zero interval', { drop_after: '0' }, 'NS422', /positive interval/],
    ['a negative interval', { drop_after: '-30 days' }, 'NS422', /positive interval, not -30 days/],
    [
      'an interval that is negative in February',
      { drop_after: '1 month -29 days' },
      'NS422',
      /positive interval/,
    ],
    [
      'an interval under a day',
      { drop_after: '60 minutes' },
      'NS422',
      /drop_after is only 01:00:00/,
    ],
    [
      'no interval at all',
      { drop_after: 'soon' },
      '22007',
      /invalid input syntax for type interval/,
    ],
    ['a share of zero', { max_fraction: 0 }, 'NS422', /max_fraction must be over 0 and at most 1/],
    [
      'a share over one',
      { max_fraction: 1.5 },
      'NS422',
      /max_fraction must be over 0 and at most 1, not 1.5/,
    ],
  ])('refuses %s with a clear error, and changes nothing', async (_, given, code, message) => {
    const { error } = await api.rpc('add_retention_policy', {
      relation: 'public.orders',
      drop_after: '30 days',
      ...given,
    });
    expect(error).toMatchObject({ code });
    expect(error?.message).toMatch(message);
    if (code === 'NS422') expect(error?.hint).toBeTruthy();
    expect(await policies()).toEqual([]);
  });

  it('refuses an infinite interval, which Postgres does not know before 17', async () => {
    const { error } = await api.rpc('add_retention_policy', {
      relation: 'public.orders',
      drop_after: 'infinity',
    });
    expect(error?.code).toMatch(/^(NS422|22007)$/);
  });

  it('names the times of a table without the marker, or says how rows without any time go', async () => {
    await db.sql.unsafe(`
      create table public.logins (id integer primary key, expires_at timestamptz, born date);
      create table public.lines (id integer primary key);
      grant delete on public.logins, public.lines to service_role`);
    const hintFor = async (relation: string) =>
      (await api.rpc('add_retention_policy', { relation, drop_after: '30 days' })).error?.hint;
    expect(await hintFor('public.logins')).toContain('in marker_column: expires_at, born.');
    expect(await hintFor('public.lines')).toMatch(/no date or time column.* with_children/);
  });

  it.each([
    [{ marker_column: 'gone_at' }, /marker_column: deleted_at, "removedAt", day, created_at\.$/],
    [{ flag_column: 'deleted' }, /flag_column, .*: "isDeleted"; or leave it out\.$/],
  ])(
    'names the columns that may be meant by %j, when it is added and when it is altered',
    async (wrong, hint) => {
      const refused = { code: 'NS422', hint: expect.stringMatching(hint), details: null };
      const policy = { relation: 'public.orders', drop_after: '30 days' };
      expect((await api.rpc('add_retention_policy', { ...policy, ...wrong })).error).toMatchObject(
        refused,
      );
      await api.rpc('add_retention_policy', policy);
      const altered = await api.rpc('alter_retention_policy', {
        relation: 'public.orders',
        ...wrong,
      });
      expect(altered.error).toMatchObject({ ...refused, hint: expect.stringContaining('"') });
      await db.sql`select nightshift.remove_retention_policy('public.orders')`;
    },
  );

  it('names the tables that may be meant by one of with_children', async () => {
    await db.sql.unsafe(`
      create table public.order_lines (order_id integer references public.orders);
      create index on public.order_lines (order_id);
      grant delete on public.order_lines to service_role`);
    const declare = (child: string) =>
      api.rpc('add_retention_policy', {
        relation: 'public.orders',
        drop_after: '30 days',
        with_children: [child],
      });
    expect((await declare('public.order_line')).error).toMatchObject({
      code: 'NS404',
      message: 'There is no table public.order_line',
      details: 'What refers to rows of the policy of public.orders: public.order_lines(order_id).',
    });
    expect((await declare('order_lines')).error).toBeNull();
    await db.sql`select nightshift.remove_retention_policy('public.orders')`;
    await db.sql`drop table public.order_lines`;
  });

  it('prints the index to create, concurrently where Postgres can', async () => {
    const { error } = await api.rpc('add_retention_policy', {
      relation: 'public.orders',
      drop_after: '30 days',
      marker_column: 'created_at',
    });
    expect(error?.hint).toBe(
      'create index concurrently on public.orders (created_at) where created_at is not null;',
    );
  });

  it('prints an index on the expression of a column that is generated and not stored', async (context) => {
    const [row] = await db.sql`select current_setting('server_version_num')::integer as version`;
    if (row?.version < 180_000) return context.skip();
    await db.sql.unsafe(`
      create table public.sent (
        id integer primary key, at bigint, pad text default repeat('x', 1900),
        due_at timestamptz generated always as (to_timestamp(at)) virtual
      );
      insert into public.sent select g from generate_series(1, 5000) g;
      grant delete on public.sent to service_role`);
    await db.sql`vacuum analyze public.sent`;
    const declare = () =>
      api.rpc('add_retention_policy', {
        relation: 'public.sent',
        drop_after: '30 days',
        marker_column: 'due_at',
      });
    const { error } = await declare();
    expect(error).toMatchObject({
      code: 'NS422',
      message: expect.stringMatching(/^No index serves due_at/),
    });
    await db.sql.unsafe(error?.hint ?? '');
    expect((await declare()).error).toBeNull();
    expect(await readCheck(db.sql, 'backlog_age')).toMatchObject({ level: 'ok', measured: 1 });
    await db.sql`select nightshift.remove_retention_policy('public.sent')`;
  });

  it.each([
    ['timestamptz', {}],
    ['a partial index through the flag', { marker_column: 'removedAt', flag_column: 'isDeleted' }],
    ['date', { marker_column: 'day' }],
    ['a short interval that is meant', { drop_after: '1 hour', allow_short: true }],
    ['a partitioned table', { relation: 'public.parts' }],
    [
      'names with quotes, spaces, capitals and unicode',
      {
        relation: '"Ünï ""Schema"""."Order Lines ""x""; --"',
        marker_column: 'gone; at',
        flag_column: 'is "gone"',
      },
    ],
  ])('takes %s, and removing gives it back', async (_, given) => {
    const policy = { relation: 'public.orders', drop_after: '30 days', ...given };
    const added = await api.rpc('add_retention_policy', policy);
    expect(added.error).toBeNull();
    expect(added.data).toMatchObject({
      relation: policy.relation,
      enabled: true,
      maxFraction: 0.5,
      warnings: [],
    });

    const listed = await api.rpc('list_retention_policies');
    expect(listed.data).toMatchObject([
      { relation: policy.relation, dueRows: 0, totalRows: 0, oldestDueAt: null },
    ]);

    const twice = await api.rpc('add_retention_policy', policy);
    expect(twice.error).toMatchObject({ code: 'NS422' });
    expect(twice.error?.message).toMatch(/has a retention policy already/);

    const removed = await api.rpc('remove_retention_policy', { relation: policy.relation });
    expect(removed.data).toMatchObject({ relation: policy.relation });
    const again = await api.rpc('remove_retention_policy', { relation: policy.relation });
    expect(again.error).toMatchObject({ code: 'NS404' });
    expect(await policies()).toEqual([]);
  });

  it('refuses a partition whose parent has a policy, and the other way round', async () => {
    for (const [first, second] of [
      ['public.parts', 'public.parts_1'],
      ['public.parts_1', 'public.parts'],
    ]) {
      await api.rpc('add_retention_policy', { relation: first, drop_after: '30 days' });
      const { error } = await api.rpc('add_retention_policy', {
        relation: second,
        drop_after: '30 days',
      });
      expect(error?.message).toMatch(/has a retention policy already/);
      await api.rpc('remove_retention_policy', { relation: first });
    }
  });
});

describe('altering a policy', () => {
  beforeAll(() =>
    api.rpc('add_retention_policy', { relation: 'public.orders', drop_after: '30 days' }),
  );
  afterAll(() => api.rpc('remove_retention_policy', { relation: 'public.orders' }));

  it('changes what is given and leaves the rest', async () => {
    const { data } = await api.rpc('alter_retention_policy', {
      relation: 'public.orders',
      max_fraction: 0.9,
    });
    expect(data).toMatchObject({
      maxFraction: 0.9,
      dropAfter: '30 days',
      markerColumn: 'deleted_at',
    });
  });

  it.each([
    ['an unknown policy', { relation: 'public.parts' }, 'NS404'],
    ['a negative interval', { drop_after: '-1 day' }, 'NS422'],
    ['a short interval', { drop_after: '1 hour' }, 'NS422'],
    ['a marker without index', { marker_column: 'created_at' }, 'NS422'],
  ])('refuses %s and changes nothing', async (_, given, code) => {
    const before = await policies();
    const { error } = await api.rpc('alter_retention_policy', {
      relation: 'public.orders',
      ...given,
    });
    expect(error).toMatchObject({ code });
    expect(await policies()).toEqual(before);
  });

  it('keeps a short interval that was meant when something else changes', async () => {
    await api.rpc('alter_retention_policy', {
      relation: 'public.orders',
      drop_after: '1 hour',
      allow_short: true,
    });
    const { error } = await api.rpc('alter_retention_policy', {
      relation: 'public.orders',
      enabled: false,
    });
    expect(error).toBeNull();
  });
});

describe('listing policies', () => {
  it('counts due rows, reads times without zone as UTC, and dates as whole days', async () => {
    await db.sql.unsafe(`
      truncate public.orders;
      insert into public.orders (id, "removedAt", "isDeleted")
      select 1, (now() at time zone 'UTC') - interval '30 days' - interval '1 minute', true
      union all select 2, (now() at time zone 'UTC') - interval '30 days' + interval '1 minute', true
      union all select 3, (now() at time zone 'UTC') - interval '90 days', false
      union all select 4, '-infinity', true
      union all select 5, 'infinity', true;
    `);
    // The session's zone must not matter: fourteen hours would make row 2 due.
    await db.sql.unsafe(
      `alter role authenticator in database ${new URL(db.url).pathname.slice(1)} set timezone = 'Pacific/Kiritimati'`,
    );
    await api.rpc('add_retention_policy', {
      relation: 'public.orders',
      drop_after: '30 days',
      marker_column: 'removedAt',
      flag_column: 'isDeleted',
      max_fraction: 1,
    });
    const { data } = await api.rpc('list_retention_policies');
    expect(data).toMatchObject([
      { dueRows: 1, dueRowsExact: true, totalRows: 5, totalRowsExact: true },
    ]);
    expect(data?.[0].overdueSeconds).toBeGreaterThanOrEqual(60);
    expect(data?.[0].overdueSeconds).toBeLessThan(120);

    await db.sql`update public.orders set day = ((now() at time zone 'UTC') - interval '30 days')::date where id < 4`;
    await db.sql`update public.orders set day = day - 1 where id = 3`;
    await api.rpc('alter_retention_policy', { relation: 'public.orders', marker_column: 'day' });
    await db.sql`update nightshift.retention_policies set flag_column = null where true`;
    const byDay = await api.rpc('list_retention_policies');
    expect(byDay.data).toMatchObject([{ dueRows: 1 }]);
    await api.rpc('remove_retention_policy', { relation: 'public.orders' });
  });

  it('shows a policy whose table or column is gone as a problem, and still lists the others', async () => {
    await db.sql.unsafe(`
      create table public.doomed (deleted_at timestamptz); create index on public.doomed (deleted_at);
      create table public.renamed (deleted_at timestamptz); create index on public.renamed (deleted_at);
      grant delete on public.doomed, public.renamed to service_role;
    `);
    for (const relation of ['public.doomed', 'public.renamed', 'public.parts']) {
      await api.rpc('add_retention_policy', { relation, drop_after: '30 days' });
    }
    const [doomed] = await db.sql`select 'public.doomed'::regclass::oid::text as oid`;
    await db.sql.unsafe(
      `drop table public.doomed; alter table public.renamed rename column deleted_at to removed_at`,
    );
    const { data } = await api.rpc('list_retention_policies');
    expect(data).toMatchObject([
      { relation: 'public.doomed', problem: { code: 'NS404' } },
      { relation: 'public.parts', dueRows: 0 },
      {
        relation: 'public.renamed',
        problem: {
          code: 'NS422',
          message: 'public.renamed has no column deleted_at',
          hint: expect.stringContaining('marker_column'),
        },
      },
    ]);
    const removed =
      await db.sql`select nightshift.remove_retention_policy(${doomed?.oid}::oid::regclass)`;
    expect(removed).toHaveLength(1);
  });
});
