import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { migrate } from '../../cli/installation/migrate.ts';
import { uninstall } from '../../cli/installation/uninstall.ts';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { connectDirect } from '../../functions/_shared/direct.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { jobNames, loadJob } from '../../functions/registry.ts';
import { describeSchema } from '../support/catalog.ts';
import { nightshift } from '../support/command-line.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const rowsOf = async (db: TestDatabase) => {
  const [row] = await db.sql`
    select md5(string_agg(o::text, ',' order by o.id)) as orders from public.orders o where deleted_at is null`;
  return row?.orders;
};

/** Tables as an application has them, with rights, triggers, policies and partitions of their own. */
const application = `
  create table public.orders (
    id integer primary key, name text not null default 'x' check (name <> ''), deleted_at timestamptz, total numeric(10, 2)
  ) with (fillfactor = 90);
  create index orders_deleted on public.orders (deleted_at) where deleted_at is not null;
  insert into public.orders select n, 'order ' || n, case when n <= 300 then now() - interval '400 days' end, n from generate_series(1, 1000) n;
  alter table public.orders enable row level security;
  create policy mine on public.orders for select to authenticated using (name <> 'secret');
  grant select on public.orders to authenticated;
  comment on table public.orders is 'What people ordered.';
  create function public.touch() returns trigger language plpgsql as $$ begin return new; end $$;
  create trigger touch before update on public.orders for each row execute function public.touch();
  create table public."Log" (at timestamptz not null, note text) partition by range (at);
  create materialized view public.totals as select total, count(*) as n from public.orders group by total;
  create unique index on public.totals (total);
  create publication everything for table public.orders;
  analyze public.orders, public.totals;
`;

describe('uninstall', () => {
  let db: TestDatabase;
  beforeEach(async () => {
    db = await createDatabase();
    await db.sql.unsafe(application);
  });
  afterEach(() => db.drop());

  async function nightShift(): Promise<void> {
    const { url, secretKey } = await db.gateway();
    const deadline = deadlineIn(systemClock, 60_000);
    for (const job of jobNames) {
      const { run } = await runJob(
        await loadJob(job),
        { trigger: 'cli', input: {} },
        {
          rpc: createRpc({ url, secretKey }, deadline),
          // A vacuum needs it; with it, partitions would be retired in another way.
          ...(job === 'table-vacuum' ? { direct: connectDirect(db.url, deadline) } : {}),
          clock: systemClock,
          deadline,
          log: silentLog,
          metrics: noMetrics,
        },
      );
      expect(run.status, job).toBe('succeeded');
    }
  }

  it('leaves the tables exactly as they were found, but for what was asked for', async () => {
    const before = await describeSchema(db.sql, 'public');
    const rows = await rowsOf(db);
    await db.sql.unsafe(`
      select nightshift.add_retention_policy('public.orders', '30 days');
      select nightshift.adopt_refresh_policies('public');
    `);
    await nightShift();
    expect(await db.sql`select count(*)::integer as n from public.orders`).toEqual([{ n: 700 }]);

    await uninstall(db.url, { confirmed: true });
    expect(await describeSchema(db.sql, 'public')).toEqual(before);
    expect(await rowsOf(db)).toBe(rows);
    const [left] = await db.sql`
      select to_regnamespace('nightshift') as schema,
        (select count(*)::integer from pg_event_trigger where evtname like 'nightshift%') as triggers`;
    expect(left).toEqual({ schema: null, triggers: 0 });
  });

  it('leaves partitions that were made, and takes its constraint off those that were retired', async () => {
    await db.sql.unsafe(`
      create table public."Log 2020" partition of public."Log" for values from ('2020-01-01') to ('2020-02-01');
      insert into public."Log 2020" values ('2020-01-05', 'kept');
      select nightshift.add_partition_policy('public."Log"', '1 month', retention => '1 year', max_fraction => 1);
    `);
    await nightShift();
    const constraints = () =>
      db.sql`select conname from pg_constraint where conrelid = 'public."Log 2020"'::regclass and contype = 'c'`;
    expect(await constraints()).toEqual([{ conname: 'nightshift_retired' }]);
    const found = await uninstall(db.url, { confirmed: true });
    expect(found.retired).toEqual(['public."Log 2020"']);
    expect(await constraints()).toEqual([]);
    expect(await db.sql`select note from public."Log 2020"`).toEqual([{ note: 'kept' }]);
    const [made] = await db.sql`
      select count(*)::integer as n from pg_inherits where inhparent = 'public."Log"'::regclass`;
    expect(made?.n).toBeGreaterThanOrEqual(5);
  });

  it('leaves a constraint of that name alone on what someone else owns, and what has it from its parent', async () => {
    await db.sql.unsafe(`
      create table public.parent (id integer constraint nightshift_retired check (id > 0));
      create table public.child () inherits (public.parent);
      create role uninstall_stranger;
      create table public.theirs (id integer constraint nightshift_retired check (id > 0));
      alter table public.theirs owner to uninstall_stranger;
    `);
    try {
      const found = await uninstall(db.url, { confirmed: true });
      expect(found.retired).toEqual(['public.parent']);
    } finally {
      await db.sql`drop owned by uninstall_stranger`;
      await db.sql`drop role uninstall_stranger`;
    }
  });

  it('only says what would go, unless it is told to', async () => {
    await db.sql`select nightshift.add_retention_policy('public.orders', '30 days')`;
    expect(await uninstall(db.url, { confirmed: false })).toMatchObject({ policies: 1, runs: 0 });
    expect(await db.sql`select 1 as n from nightshift.retention_policies`).toHaveLength(1);
  });

  it('refuses while a run is under way, and where the application uses it', async () => {
    await db.sql`create view public.runs as select nightshift.list_runs() as runs`;
    await expect(uninstall(db.url, { confirmed: true })).rejects.toMatchObject({
      code: 'NS422',
      detail: expect.stringMatching(/view public.runs/),
    });
    await db.sql`drop view public.runs`;
    await db.sql`select nightshift.begin_run('retention-purge', 'cli')`;
    const { stdout } = await nightshift(['uninstall', '--database-url', db.url]);
    expect(stdout).toContain('In the way: a run of retention-purge that is under way');
    await expect(uninstall(db.url, { confirmed: true })).rejects.toMatchObject({ code: 'NS409' });
    expect(await db.sql`select 1 as n from nightshift.runs`).toHaveLength(1);
  });

  it("refuses while a table has soft delete, and is in nobody's way once that is disabled", async () => {
    await db.sql`create table public.shelves (id integer primary key)`;
    await db.sql`select nightshift.enable_soft_delete('public.shelves')`;
    // A month of the history that was retired is no part of it any more.
    await db.sql`select nightshift.create_missing_partitions('nightshift.deletion_events', now() - interval '15 months')`;
    await nightShift();
    const waiting = await db.sql`select partition from nightshift.retired_partitions`;
    expect(waiting).toHaveLength(2);
    expect(await uninstall(db.url, { confirmed: false })).toMatchObject({
      softDeleted: ['public.shelves'],
      dependents: [],
      strangers: [],
      retired: [],
    });
    const { stdout } = await nightshift(['uninstall', '--database-url', db.url]);
    expect(stdout).toMatch(
      /In the way: soft delete of public\.shelves, .*\nNothing was removed, nor would it be with --yes\./,
    );
    expect(stdout).not.toContain('Then the same with --yes');
    await expect(uninstall(db.url, { confirmed: true })).rejects.toMatchObject({
      code: 'NS422',
      hint: expect.stringContaining(`nightshift.disable_soft_delete('public.shelves', 'keep')`),
    });
    await db.sql`select nightshift.disable_soft_delete('public.shelves')`;
    await uninstall(db.url, { confirmed: true });
    expect(await db.sql`select to_regnamespace('nightshift') as schema`).toEqual([
      { schema: null },
    ]);
  });

  it('refuses while a call of a run is under way, and holds nobody up where it only looks', async () => {
    const held = Promise.withResolvers<void>();
    const began = Promise.withResolvers<void>();
    const call = db.sql.begin(async (sql) => {
      await sql`select nightshift.begin_run('view-refresh', 'cli')`;
      began.resolve();
      await held.promise;
    });
    await began.promise;
    try {
      expect(await uninstall(db.url, { confirmed: false })).toMatchObject({ runs: 0 });
      await expect(uninstall(db.url, { confirmed: true })).rejects.toMatchObject({ code: 'NS409' });
    } finally {
      held.resolve();
      await call;
    }
  });

  it('refuses where tables of the application are in the schema, so that no row goes with it', async () => {
    await db.sql.unsafe(`
      select nightshift.add_partition_policy('public."Log"', '1 month', partition_schema => 'nightshift');
      select nightshift.create_missing_partitions('public."Log"');
      insert into public."Log" values (now(), 'kept');
      create function nightshift.mine() returns integer language sql as 'select 1';
    `);
    await expect(uninstall(db.url, { confirmed: true })).rejects.toMatchObject({
      code: 'NS422',
      detail: expect.stringMatching(
        /^function nightshift\.mine\(\), table nightshift\."Log_\d{4}_\d\d"/,
      ),
    });
    expect(await db.sql`select note from public."Log"`).toEqual([{ note: 'kept' }]);
  });

  it.each([
    ['view', 'create view public."a nightshift.b" as select nightshift.list_runs() as runs'],
    [
      'trigger',
      'create trigger "on nightshift.b" before update on public.orders for each row execute function nightshift.keep_time()',
    ],
  ])('sees a %s that uses it, whatever its name', async (kind, statement) => {
    await db.sql.unsafe(statement);
    const { dependents } = await uninstall(db.url, { confirmed: false });
    expect(dependents).toEqual([expect.stringContaining(kind)]);
  });

  it('takes its lines out of the history of the Supabase CLI, and leaves those of the application', async () => {
    await db.sql.unsafe(`
      create schema supabase_migrations;
      create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
      insert into supabase_migrations.schema_migrations (version, name) values
        ('20261121000100', 'mine'), ('20261121000200', 'create_run_ledger'),
        ('20270101000000', 'nightshift_0_1_0'), ('20270101000001', 'call_nightshift_0_1_0'), ('20270101000002', null);
    `);
    await uninstall(db.url, { confirmed: true });
    const left =
      await db.sql`select version, name from supabase_migrations.schema_migrations order by 1`;
    expect(left).toEqual([
      { version: '20261121000100', name: 'mine' },
      { version: '20270101000001', name: 'call_nightshift_0_1_0' },
      { version: '20270101000002', name: null },
    ]);
  });

  it.each([
    ['sequence', 'create sequence nightshift.mine'],
    ['type', "create type nightshift.mine as enum ('a')"],
    ['materialized view', 'create materialized view nightshift."runs.mine" as select 1 as n'],
    [
      'foreign table',
      'create foreign data wrapper w; create server s foreign data wrapper w; create foreign table nightshift.mine () server s',
    ],
  ])('refuses where a %s is in the schema that no release made', async (kind, statement) => {
    await db.sql.unsafe(statement);
    await expect(uninstall(db.url, { confirmed: true })).rejects.toMatchObject({
      code: 'NS422',
      detail: expect.stringMatching(new RegExp(`^${kind} nightshift\\.`)),
    });
  });

  it('leaves everything when something is made in the schema while it is at work', async () => {
    const other = db.connect();
    const waiting = async () => {
      const [found] = await db.sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query = 'drop schema nightshift'`;
      return found !== undefined;
    };
    await other`begin`;
    await other`create table nightshift.late as select 1 as n`;
    const removed = uninstall(db.url, { confirmed: true }).catch((thrown: unknown) => thrown);
    await vi.waitUntil(waiting, { timeout: 20_000 });
    await other`commit`;
    expect(await removed).toMatchObject({
      code: 'NS409',
      detail: expect.stringContaining('table nightshift.late'),
    });
    await db.sql`select nightshift.list_runs() from nightshift.late`;
  });

  it('says so while another migrate or uninstall is at work', async () => {
    const other = db.connect();
    await other`begin`;
    await other`select pg_advisory_xact_lock(6174203411)`;
    await expect(uninstall(db.url, { confirmed: false })).rejects.toMatchObject({
      code: 'NS409',
      message: 'Someone is at work in the schema nightshift',
    });
    await other`rollback`;
  });

  it('takes along what an earlier release made, and this one no longer has', async () => {
    await db.sql.unsafe(`
      create function nightshift.earlier() returns integer language sql as 'select 1';
      create table nightshift.earlier_table (n integer generated always as identity);
      insert into nightshift.migrations (version, checksum, objects) values ('0.0.9', '', '{earlier, earlier_table}');
    `);
    await uninstall(db.url, { confirmed: true });
    expect(await db.sql`select to_regnamespace('nightshift') as schema`).toEqual([
      { schema: null },
    ]);
  });

  it('can be followed by an installation, and a second one says that there is nothing', async () => {
    await uninstall(db.url, { confirmed: true });
    await expect(uninstall(db.url, { confirmed: true })).rejects.toMatchObject({ code: 'NS404' });
    expect((await migrate(db.url)).before).toBeUndefined();
    await db.sql`select nightshift.add_retention_policy('public.orders', '30 days')`;
  });
});
