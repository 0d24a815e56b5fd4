import { createClient } from '@supabase/supabase-js';
import { beforeEach, describe, expect, it } from 'vitest';
import { createDatabase, setUpDatabase, startAfresh } from '../support/database.ts';
import { partitionsOf, runMaintenance, stepOf } from '../support/partitions.ts';
import { checksum } from '../support/rows.ts';

const asOf = '2026-03-15T12:00:00Z';
const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const range = (from: string, to: string) => `FROM ('${from}') TO ('${to}')`;
const months = (premake: number) => `
  create table app.m (day date not null, v text) partition by range (day);
  select nightshift.add_partition_policy('app.m', '1 month', premake => ${premake});`;

describe('room ahead', () => {
  it('is made for now and premake intervals more, and the second night does nothing', async () => {
    await db.sql.unsafe(months(2));
    const first = await runMaintenance(db, {}, { asOf });
    expect(first).toMatchObject({
      run: { status: 'succeeded' },
      report: { partitionsCreated: 3, rowsMoved: 0 },
    });
    expect(stepOf(first, 'app.m')).toMatchObject({
      horizon: '2026-06-01T00:00:00+00:00',
      horizonDays: 77.5,
      missing: 0,
    });
    const made = await partitionsOf(db.sql, 'app.m');
    expect(made).toEqual({
      m_2026_03: range('2026-03-01', '2026-04-01'),
      m_2026_04: range('2026-04-01', '2026-05-01'),
      m_2026_05: range('2026-05-01', '2026-06-01'),
    });
    const calls: string[] = [];
    const second = await runMaintenance(
      db,
      {},
      { asOf, beforeCall: (name) => void calls.push(name) },
    );
    expect(second.report).toMatchObject({ partitionsCreated: 0 });
    expect(calls).toEqual(['begin_run', 'plan_partition_maintenance', 'finish_run']);
    expect(await partitionsOf(db.sql, 'app.m')).toEqual(made);
  });

  it.each([
    [
      '1 hour',
      'timestamptz',
      '',
      'p_2026_03_15_12',
      range('2026-03-15 12:00:00+00', '2026-03-15 13:00:00+00'),
    ],
    [
      '6 hours',
      'timestamp',
      '',
      'p_2026_03_15_12',
      range('2026-03-15 12:00:00', '2026-03-15 18:00:00'),
    ],
    ['1 day', 'date', '', 'p_2026_03_15', range('2026-03-15', '2026-03-16')],
    ['1 week', 'date', '', 'p_2026_w11', range('2026-03-09', '2026-03-16')],
    [
      '1 month',
      'timestamptz',
      '',
      'p_2026_03',
      range('2026-03-01 00:00:00+00', '2026-04-01 00:00:00+00'),
    ],
    ['3 months', 'date', '', 'p_2026_q1', range('2026-01-01', '2026-04-01')],
    ['1 year', 'date', '', 'p_2026', range('2026-01-01', '2027-01-01')],
    ['1 day', 'bigint', 'seconds', 'p_2026_03_15', range('1773532800', '1773619200')],
    ['1 day', 'bigint', 'milliseconds', 'p_2026_03_15', range('1773532800000', '1773619200000')],
    [
      '1 day',
      'uuid',
      '',
      'p_2026_03_15',
      range('019ceeca-e400-0000-0000-000000000000', '019cf3f1-4000-0000-0000-000000000000'),
    ],
  ])(
    'every %s by a %s %s has its name and bounds, in UTC',
    async (every, type, epoch, name, bounds) => {
      await db.sql.unsafe(`
      create table app.p (key ${type} not null) partition by range (key);
      select nightshift.add_partition_policy('app.p', '${every}', premake => 1 ${epoch && `, epoch => '${epoch}'`})`);
      await runMaintenance(db, {}, { asOf });
      const [first] = Object.entries(await partitionsOf(db.sql, 'app.p'));
      expect(first).toEqual([name, bounds]);
    },
  );

  it('keeps to names that are free, and short enough', async () => {
    const long = `Ünï "Tàble" ${'ä'.repeat(25)}`;
    const quoted = `"${long.replaceAll('"', '""')}"`;
    await db.sql.unsafe(`
      create table app.${quoted} (day date) partition by range (day);
      create table app.m (day date) partition by range (day);
      create view app.m_2026_03 as select 1;
      create type app.m_2026_04 as enum ('a');
      select nightshift.add_partition_policy('app.${quoted}', '1 month', premake => 1);
      select nightshift.add_partition_policy('app.m', '1 month', premake => 1)`);
    expect((await runMaintenance(db, {}, { asOf })).run.status).toBe('succeeded');
    expect(Object.keys(await partitionsOf(db.sql, 'app.m'))).toEqual([
      'm_2026_03_2',
      'm_2026_04_2',
    ]);
    const names = Object.keys(await partitionsOf(db.sql, `app.${quoted}`));
    expect(names).toEqual([expect.stringMatching(/^Ünï "Tàble" ä+_2026_03$/), expect.any(String)]);
    for (const name of names) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
  });

  it('is made for the others when one table cannot have it', async () => {
    await db.sql.unsafe(`
      create table app.a (day date) partition by range (day);
      create table app.b (day date) partition by range (day);
      create table app.c (day date, "No" integer check ("No" > 0)) partition by range (day);
      select nightshift.add_partition_policy('app.' || t, '1 month', premake => 1) from unnest('{a,b,c}'::text[]) t;
      create schema app_gone; alter table app.b set schema app_gone; drop schema app_gone cascade;
      create function app.refuse() returns event_trigger language plpgsql as $$
      begin
        if exists (select from pg_event_trigger_ddl_commands() where object_identity like 'app.a\\_%') then
          raise insufficient_privilege using message = 'no table a here';
        end if;
      end $$;
      create event trigger refuse on ddl_command_end execute function app.refuse()`);
    const result = await runMaintenance(db, {}, { asOf });
    await db.sql`drop event trigger refuse`;
    expect(result.run.status).toBe('partial');
    expect(stepOf(result, 'app.a')).toMatchObject({
      status: 'failed',
      error: { code: '42501', message: 'no table a here', hint: expect.stringContaining('app.a') },
    });
    expect(stepOf(result, 'app.c')).toMatchObject({ status: 'succeeded', missing: 0 });
    expect(result.report.steps).toHaveLength(3);
    expect(result.report.steps.find(({ error }) => error?.code === 'NS422')?.error).toMatchObject({
      message: 'Its table app.b is gone',
      hint: expect.stringMatching(/remove_partition_policy\(\d+\)/),
    });
  });

  it('is made in one transaction for all tables, but for those whose locks are felt', async () => {
    await db.sql.unsafe(`
      create table app.users (id integer primary key);
      create table app.a (day date) partition by range (day);
      create table app.b (day date) partition by range (day);
      create table app.c (day date, user_id integer references app.users) partition by range (day);
      create table app.d (day date) partition by range (day);
      create table app.d_rest partition of app.d default;
      select nightshift.add_partition_policy('app.' || t, '1 month') from unnest('{a,b,c,d}'::text[]) t`);
    const groups: unknown[] = [];
    await runMaintenance(
      db,
      {},
      {
        asOf,
        beforeCall: (name, args) => {
          if (name === 'create_partitions' && 'tables' in args) groups.push(args.tables);
        },
      },
    );
    expect(groups).toEqual([['app.a', 'app.b'], ['app.c'], ['app.d']]);
  });
});

describe('a new partition', () => {
  it('has what the table cannot give it: settings, replica identity, publication, owner, grants', async () => {
    await db.sql.unsafe(`
      drop role if exists nightshift_reports; create role nightshift_reports;
      alter default privileges in schema app grant all on tables to anon, authenticated;
      create table app.m (
        id bigint generated always as identity, day date not null default '2026-03-03', v text,
        twice bigint generated always as (id * 2) stored, check (v <> ''), primary key (id, day)
      ) partition by range (day);
      create index on app.m (v);
      create statistics app.both on v, day from app.m;
      grant select on app.m to anon, nightshift_reports;
      create table app.m_2026_02 partition of app.m for values from ('2026-02-01') to ('2026-03-01')
        with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_enabled = false);
      alter table app.m_2026_02 alter v set statistics 500, alter v set (n_distinct = -0.5);
      alter table app.m_2026_02 replica identity using index m_2026_02_pkey;
      create publication app_pub for table app.m_2026_02 (id, day, v) where (id > 5);
      select nightshift.add_partition_policy('app.m', '1 month', premake => 1)`);
    expect((await runMaintenance(db, {}, { asOf })).run.status).toBe('succeeded');
    const [made] = await db.sql`
      select c.reloptions, t.reloptions as toast, c.relreplident as identity, a.attstattarget as target, a.attoptions,
        pg_get_userbyid(c.relowner) = current_user as owned,
        has_table_privilege('anon', c.oid, 'select') as anon,
        has_table_privilege('nightshift_reports', c.oid, 'select') as reports,
        (select count(*)::int from pg_statistic_ext where stxrelid = c.oid) as statistics,
        (select array_agg(indexrelid::regclass::text order by 1) from pg_index where indrelid = c.oid and indisreplident) as by
      from pg_class c
      join pg_class t on t.oid = c.reltoastrelid
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'v'
      where c.oid = 'app.m_2026_03'::regclass`;
    expect(made).toMatchObject({
      reloptions: ['fillfactor=70', 'autovacuum_vacuum_scale_factor=0.01'],
      toast: ['autovacuum_enabled=false'],
      identity: 'i',
      by: ['app.m_2026_03_pkey'],
      target: 500,
      attoptions: ['n_distinct=-0.5'],
      owned: true,
      anon: false,
      reports: true,
      statistics: 1,
    });
    expect(
      await db.sql`select tablename, attnames, rowfilter from pg_publication_tables where pubname = 'app_pub' order by 1`,
    ).toEqual([
      { tablename: 'm_2026_02', attnames: ['id', 'day', 'v'], rowfilter: '(id > 5)' },
      { tablename: 'm_2026_03', attnames: ['id', 'day', 'v'], rowfilter: '(id > 5)' },
      { tablename: 'm_2026_04', attnames: ['id', 'day', 'v'], rowfilter: '(id > 5)' },
    ]);
    await db.sql`insert into app.m (v) values ('a')`;
    expect(await db.sql`select id::int, twice::int, day::text from app.m_2026_03`).toEqual([
      { id: 1, twice: 2, day: '2026-03-03' },
    ]);
    await db.sql.unsafe(`
      alter default privileges in schema app revoke all on tables from anon, authenticated;
      drop publication app_pub; drop owned by nightshift_reports; drop role nightshift_reports`);
  });

  it('can be read by nobody over the API who cannot read its table', async () => {
    const fresh = await createDatabase();
    try {
      // As in projects of before 2026: whatever is made in public is granted to everyone.
      await fresh.sql.unsafe(`
        alter default privileges in schema public grant all on tables to anon, authenticated;
        create table public.secured (day date not null, v text) partition by range (day);
        alter table public.secured enable row level security;
        create policy mine on public.secured for select to anon using (v = 'mine');
        create table public.revoked (day date not null, v text) partition by range (day);
        revoke all on public.revoked from anon, authenticated;
        create table public.open (day date not null, v text) partition by range (day);
        create schema app_parts;
        create table public.apart (day date not null, v text) partition by range (day);
        select nightshift.add_partition_policy(t::regclass, '1 month',
          partition_schema => case t when 'apart' then 'app_parts' end)
        from unnest('{secured,revoked,open,apart}'::text[]) t;
        select nightshift.create_missing_partitions(parent, '${asOf}') from nightshift.partition_policies;
        -- This gateway leaves partitions out of its list of tables, older PostgRESTs do not: a function with the rights
        -- of whoever calls reaches them in either.
        create function public.rows_of(relation text) returns jsonb language plpgsql as $$
        declare
          found jsonb;
        begin
          execute format('select jsonb_agg(v) from %s', relation) into found;
          return found;
        end $$;
        create table public.secured_by_hand partition of public.secured for values from ('2026-01-01') to ('2026-02-01');
        insert into public.secured values ('2026-03-03', 'mine'), ('2026-03-03', 'not mine'), ('2026-01-01', 'old');
        insert into public.revoked values ('2026-03-03', 'secret');
        insert into public.open values ('2026-03-03', 'open');
        insert into public.apart values ('2026-03-03', 'apart')`);
      const { url, publishableKey } = await fresh.gateway();
      const anon = createClient(url, publishableKey, { auth: { persistSession: false } });
      const read = async (relation: string) => {
        const { data, error } = await anon.rpc('rows_of', { relation });
        return error?.code ?? data;
      };
      expect((await anon.from('secured').select('v')).data).toEqual([{ v: 'mine' }]);
      expect(await read('public.secured')).toEqual(['mine']);
      expect(await read('public.open')).toEqual(['open']);
      expect(await read('public.apart')).toEqual(['apart']);
      // What a partition that was made by hand shows, one that Nightshift made does not.
      expect(await read('public.secured_by_hand')).toEqual(['old']);
      for (const partition of ['secured_2026_03', 'revoked_2026_03', 'open_2026_03']) {
        expect(await read(`public.${partition}`)).toBe('42501');
        const { data, error } = await anon.from(partition).select();
        expect({ data, failed: error !== null }).toEqual({ data: null, failed: true });
      }
      expect(await read('app_parts.apart_2026_03')).toBe('42501');
      expect(await partitionsOf(fresh.sql, 'public.apart')).toHaveProperty('apart_2026_03');
      expect(await fresh.sql`select from app_parts.apart_2026_03`).toHaveLength(1);
    } finally {
      await fresh.drop();
    }
  });
});

describe('the default partition', () => {
  const withDefault = `${months(1)} create table app.rest partition of app.m default;`;

  it('is emptied into partitions of their own, and keeps what belongs nowhere', async () => {
    await db.sql.unsafe(`${withDefault}
      insert into app.m select date '2025-12-20' + n, n::text from generate_series(0, 89) n;
      insert into app.m values ('2099-01-01', 'a wrong clock'), ('1901-01-01', 'another')`);
    const before = await checksum(db.sql, 'app.m');
    const result = await runMaintenance(db, {}, { asOf });
    expect(result.run.status).toBe('succeeded');
    expect(result.report.rowsMoved).toBe(90);
    expect(stepOf(result, 'app.m')).toMatchObject({
      missing: 0,
      defaultPartition: { partition: 'app.rest', rows: 2, movableRows: 0 },
      notices: [expect.stringMatching(/^Rows of app.rest that belong nowhere: 2/)],
    });
    expect(Object.keys(await partitionsOf(db.sql, 'app.m'))).toEqual([
      'm_2025_12',
      'm_2026_01',
      'm_2026_02',
      'm_2026_03',
      'm_2026_04',
      'rest',
    ]);
    expect(await checksum(db.sql, 'app.m')).toBe(before);
    const again = await runMaintenance(db, {}, { asOf });
    expect(again.report).toMatchObject({ partitionsCreated: 0, rowsMoved: 0 });
  });

  it('gives an interval with too many rows in parts, each as large as one step may be', async () => {
    await db.sql.unsafe(`${withDefault}
      insert into app.m select date '2026-02-01' + n % 28, n::text from generate_series(1, 2800) n`);
    const before = await checksum(db.sql, 'app.m');
    const make = async () =>
      (await db.sql`select nightshift.create_missing_partitions('app.m', ${asOf}, 1000) as made`)[0]
        ?.made;
    expect(await make()).toMatchObject({ done: false, created: [{ rows: 0 }, { rows: 0 }] });
    expect(await make()).toMatchObject({
      done: false,
      created: [{ partition: 'app.m_2026_02', rows: 1000 }],
    });
    expect(await make()).toMatchObject({
      done: false,
      created: [{ partition: 'app.m_2026_02_11', rows: 1000 }],
    });
    expect(await make()).toMatchObject({
      done: true,
      created: [{ partition: 'app.m_2026_02_21', rows: 800 }],
    });
    expect(await make()).toEqual({ done: true, created: [], lockedMs: 0 });
    expect(await checksum(db.sql, 'app.m')).toBe(before);
  });

  it('tells a dry run what would be moved, and is left as it is', async () => {
    await db.sql.unsafe(`${withDefault} insert into app.m values ('2026-01-05', 'x')`);
    const result = await runMaintenance(db, { dryRun: true }, { asOf });
    expect(stepOf(result, 'app.m')).toMatchObject({
      status: 'succeeded',
      created: [{ rows: 1 }, { rows: 0 }, { rows: 0 }, { rows: 0 }],
      defaultPartition: { rows: 1, movableRows: 1 },
    });
    expect(Object.keys(await partitionsOf(db.sql, 'app.m'))).toEqual(['rest']);
  });

  it('says nothing of its rows when one of them cannot move', async () => {
    await db.sql.unsafe(`${withDefault}
      insert into app.m values ('2026-01-05', 'ada@example.org');
      create function app.refuse(v text) returns boolean language plpgsql as $$
      begin
        if current_setting('role') = 'service_role' then raise insufficient_privilege using message = v; end if;
        return true;
      end $$;
      alter table app.m add check (app.refuse(v))`);
    const result = await runMaintenance(db, {}, { asOf });
    expect(stepOf(result, 'app.m')).toMatchObject({ status: 'partial', error: { code: '42501' } });
    expect(JSON.stringify(result)).not.toContain('ada@');
    expect(await db.sql`select v from app.rest`).toEqual([{ v: 'ada@example.org' }]);
  });
});
