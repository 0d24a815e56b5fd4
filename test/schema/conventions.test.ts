import { readdirSync, readFileSync } from 'node:fs';
import { createClient } from '@supabase/supabase-js';
import { describe, expect, it } from 'vitest';
import { migrate } from '../../cli/installation/migrate.ts';
import { jobNames, loadJob, loadPresenter, registry } from '../../functions/registry.ts';
import { setUpDatabase } from '../support/database.ts';
import { behindCalls } from '../support/every-call.ts';

/** What jobs and people call. All else is for the functions among themselves. */
const callable = [
  'add_partition_policy',
  'add_refresh_policy',
  'add_retention_policy',
  'add_vacuum_policy',
  'admit_caller',
  'adopt_refresh_policies',
  'alter_partition_policy',
  'alter_refresh_policy',
  'alter_retention_policy',
  'alter_vacuum_policy',
  'begin_detach',
  'begin_reindex',
  'begin_run',
  'begin_vacuum',
  'cancel_run',
  'check_health',
  'check_partition_sizes',
  'consume_wake',
  'create_partitions',
  'deleted_since',
  'deletion_stats',
  'describe_installation',
  'describe_jobs',
  'describe_key_queries',
  'describe_trends',
  'disable_soft_delete',
  'drop_retired_partitions',
  'enable_soft_delete',
  'exclude_from_default',
  'find_run',
  'finish_detach',
  'finish_reindex',
  'finish_run',
  'finish_vacuum',
  'get_health',
  'get_run',
  'heartbeat_run',
  'inspect_soft_delete',
  'list_deletion_events',
  'list_partition_policies',
  'list_refresh_policies',
  'list_retention_policies',
  'list_runs',
  'list_schedules',
  'list_vacuum_policies',
  'measure_default_partition',
  'measure_key_query',
  'measure_retention_backlog',
  'measure_retention_backlogs',
  'measure_retention_rest',
  'note_told',
  'pause',
  'plan_delete',
  'plan_partition_maintenance',
  'plan_reindex',
  'plan_restore',
  'plan_retention_purge',
  'plan_table_vacuum',
  'plan_view_refresh',
  'preview_retention_purge',
  'preview_retirement',
  'preview_table_vacuum',
  'purge_batch',
  'put_active',
  'read_status',
  'reattach_partition',
  'record_refresh_failure',
  'refresh_view',
  'release_default',
  'report_bloat',
  'remove_health_threshold',
  'remove_partition_policy',
  'remove_refresh_policy',
  'remove_retention_policy',
  'remove_vacuum_policy',
  'restore',
  'restore_operation',
  'restore_since',
  'resume_run',
  'retire_partitions',
  'send_wakes',
  'set_health_threshold',
  'settle_reference',
  'soft_delete',
  'soft_delete_where',
  'take_status',
  'take_troubles',
  'unpause',
  'validate_default',
  'watch_vacuum',
];

/** Of these, what nightshift_runner may not, and why: all others are for it as well. */
const notForRunner: Record<string, string> = {
  add_partition_policy: 'says what may go',
  add_refresh_policy: 'says what is executed with the rights of the owner',
  add_retention_policy: 'says what may go',
  add_vacuum_policy: 'says what is left out',
  adopt_refresh_policies: 'says what is executed with the rights of the owner',
  alter_partition_policy: 'says what may go',
  alter_refresh_policy: 'lets a view be locked against its readers',
  alter_retention_policy: 'says what may go',
  alter_vacuum_policy: 'says what is left out',
  check_partition_sizes: 'advises whoever declares policies; no job calls it',
  deleted_since: 'shows keys of rows',
  deletion_stats: 'is for people; no job calls it',
  disable_soft_delete: 'changes tables of the application',
  enable_soft_delete: 'changes tables of the application',
  inspect_soft_delete: 'advises whoever enables soft delete; no job calls it',
  list_deletion_events: 'shows keys of rows',
  pause: 'is for people to decide',
  plan_delete: 'shows keys of rows',
  plan_restore: 'shows keys of rows',
  put_active: 'writes rows of the application',
  reattach_partition: 'undoes what a run did',
  remove_health_threshold: 'says what rings an alarm',
  remove_partition_policy: 'ends what was promised',
  remove_refresh_policy: 'ends what was promised',
  remove_retention_policy: 'ends what was promised',
  remove_vacuum_policy: 'ends what was promised',
  restore: 'writes rows of the application',
  restore_operation: 'writes rows of the application',
  restore_since: 'writes rows of the application',
  set_health_threshold: 'says what rings an alarm',
  settle_reference: 'says what may go',
  soft_delete: 'writes rows of the application',
  soft_delete_where: 'writes rows of the application',
  unpause: 'is for people to decide',
};

describe('the schema nightshift', () => {
  const db = setUpDatabase();

  const functions = () => db.sql<
    {
      name: string;
      pinned: boolean;
      commented: boolean;
      open: boolean;
      service: boolean;
      runner: boolean;
      others: string[];
      definer: boolean;
    }[]
  >`
    select
      p.proname as name,
      coalesce('search_path=pg_catalog, pg_temp' = any(p.proconfig), false) as pinned,
      obj_description(p.oid, 'pg_proc') is not null as commented,
      has_function_privilege('anon', p.oid, 'execute')
        or has_function_privilege('authenticated', p.oid, 'execute') as open,
      has_function_privilege('service_role', p.oid, 'execute') as service,
      has_function_privilege('nightshift_runner', p.oid, 'execute') as runner,
      array(
        select r.rolname::text from aclexplode(p.proacl) a left join pg_roles r on r.oid = a.grantee
        where a.grantee <> p.proowner and coalesce(r.rolname, 'public') not in ('service_role', 'nightshift_runner')
      ) as others,
      p.prosecdef as definer
    from pg_proc p
    where p.pronamespace = 'nightshift'::regnamespace
    order by p.proname`;

  it('pins the search path of every function and comments on it', async () => {
    const rows = await functions();
    expect(rows.length).toBeGreaterThan(callable.length);
    expect(rows.filter((row) => !row.pinned || !row.commented)).toEqual([]);
  });

  it('lets service_role execute what jobs and people call, and nobody else anything', async () => {
    const rows = await functions();
    expect(rows.filter((row) => row.open || row.others.length > 0)).toEqual([]);
    expect(rows.filter((row) => row.service).map((row) => row.name)).toEqual(
      [...callable, ...behindCalls].sort(),
    );
  });

  it('lets nightshift_runner execute all of that but what is named here with a reason', async () => {
    const allowed = (await functions()).filter((row) => row.runner).map((row) => row.name);
    expect(allowed).toEqual(callable.filter((name) => !(name in notForRunner)));
    expect(Object.keys(notForRunner).filter((name) => !callable.includes(name))).toEqual([]);
  });

  it('takes no pieces of SQL from whoever calls', async () => {
    const taking = await db.sql`
      select p.proname as name from pg_proc p, unnest(p.proargtypes) a(type)
      where p.pronamespace = 'nightshift'::regnamespace and a.type = 'nightshift.soft_delete_rules'::regtype
        and has_function_privilege('service_role', p.oid, 'execute')`;
    expect(taking).toEqual([]);
  });

  it('compiles nothing just in time in what is called, but for the query of a view', async () => {
    const compiling = await db.sql`
      select p.proname as name from pg_proc p
      where p.pronamespace = 'nightshift'::regnamespace and p.proname = any(${callable})
        and not coalesce('jit=off' = any(p.proconfig), false)`;
    expect(compiling).toEqual([{ name: 'refresh_view' }]);
  });

  it('keeps one way to join where it forbids another: a plan is made by what the first caller has set, and kept', async () => {
    const joining = await db.sql<{ name: string; ways: string[] }[]>`
      select p.proname as name, array(
        select s from unnest(p.proconfig) s where s ~ '^enable_(hashjoin|nestloop)=' order by s
      ) as ways
      from pg_proc p
      where p.pronamespace = 'nightshift'::regnamespace and p.proconfig && '{enable_hashjoin=off,enable_nestloop=off}'`;
    expect(joining.length).toBeGreaterThan(10);
    for (const { name, ways } of joining) {
      expect({ name, ways: ways.map((way) => way.replace(/.*=/, '')).toSorted() }).toEqual({
        name,
        ways: ['off', 'on'],
      });
    }
  });

  it('has row level security without policies on every table, and no grants', async () => {
    const tables = await db.sql`
      select c.relname as name, c.relrowsecurity as secured,
        (select count(*)::integer from pg_policy where polrelid = c.oid) as policies,
        has_table_privilege('service_role', c.oid, 'select, insert, update, delete')
          or has_table_privilege('nightshift_runner', c.oid, 'select, insert, update, delete')
          or has_table_privilege('authenticated', c.oid, 'select, insert, update, delete')
          or has_table_privilege('anon', c.oid, 'select, insert, update, delete') as granted,
        obj_description(c.oid, 'pg_class') is not null as commented
      from pg_class c
      where c.relnamespace = 'nightshift'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')`;
    expect(tables.length).toBeGreaterThan(2);
    for (const table of tables) {
      expect(table).toMatchObject({ secured: true, policies: 0, granted: false, commented: true });
    }
  });

  it('answers neither anon nor an unknown key over the data API', async () => {
    const { url, publishableKey } = await db.gateway();
    for (const [key, status] of [
      [publishableKey, 401],
      ['sb_secret_wrong', 401],
    ] as const) {
      const client = createClient(url, key, { auth: { persistSession: false } });
      expect((await client.schema('nightshift').rpc('list_runs')).status).toBe(status);
      expect((await client.schema('nightshift').from('runs').select()).data).toBeNull();
    }
  });

  it('declares the jobs of the registry, and no other', async () => {
    const declared = await db.sql<{ name: string }[]>`select name from nightshift.jobs`;
    expect(declared.map(({ name }) => name).sort()).toEqual(jobNames.toSorted());
  });

  it('can be migrated again without any change, by twenty at once', async () => {
    const before = await db.sql`select * from nightshift.migrations`;
    expect(before).toHaveLength(1);
    await Promise.all(Array.from({ length: 20 }, () => migrate(db.url)));
    expect(await db.sql`select * from nightshift.migrations`).toEqual(before);
  });
});

/** A large job has more files, for its parts. */
const filesOfJob = [
  'edge.ts',
  'function.yml',
  'handler.ts',
  'job.ts',
  'registration.ts',
  'report.ts',
  'rules.ts',
  'schema.ts',
];

describe('every function folder', () => {
  it.each(jobNames)('%s has the same files and exports a job of its name', async (name) => {
    const folder = new URL(`../../functions/${name}/`, import.meta.url);
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(filesOfJob));
    for (const file of ['report.ts', 'rules.ts']) {
      const source = readFileSync(new URL(file, folder), 'utf8');
      expect(source, `${file} decides and tells; it must do no I/O`).not.toMatch(/\bawait\b/);
      expect(source).not.toMatch(/_shared\/(rpc|direct|bus)\.ts/);
    }
    const job = await loadJob(name);
    expect(job.name).toBe(name);
    expect(registry.find((each) => each.name === name)?.purpose).toMatch(/\.$/);
    expect(job.input.parse({})).toMatchObject({ dryRun: false });
    expect(job.input.parse(job.example)).toMatchObject(job.example);
    expect(await loadPresenter(name)).toMatchObject({ title: expect.any(String) });
  });
});
