import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { copyRelease } from '../../cli/installation/copy.ts';
import { migrate } from '../../cli/installation/migrate.ts';
import { newestRelease } from '../../cli/installation/release.ts';
import { uninstall } from '../../cli/installation/uninstall.ts';
import { deadlineIn, systemClock, timeMs } from '../../functions/_shared/clock.ts';
import { connectDirect } from '../../functions/_shared/direct.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { jobNames, loadJob } from '../../functions/registry.ts';
import { startGateway } from '../../infra/local/gateway.ts';
import { type HostedPostgres, type HostedProject, startHostedPostgres } from '../support/hosted.ts';
import { describeInstalled } from '../support/installed-schema.ts';
import { folderOfRelease, oldMigrationFiles } from '../support/releases.ts';
import { isInstalledVersion, supabase } from '../support/supabase-cli.ts';

const timeoutMs = 300_000;
const at = (time: string) => ({ nowMs: () => timeMs(time) });

const tables = `
create table public.orders (id integer primary key, deleted_at timestamptz);
create index on public.orders (deleted_at);
alter table public.orders enable row level security;
create policy own on public.orders for select to authenticated using (id < 0);
insert into public.orders select n, case when n <= 300 then now() - interval '400 days' end from generate_series(1, 1000) n;
create table public.logs (at timestamptz not null primary key) partition by range (at);
alter table public.logs enable row level security;
create policy own on public.logs for select to authenticated using (false);
create schema reports;
create materialized view reports.totals as select count(*) as n from public.orders;
create unique index on reports.totals (n);
`;
const policies = `
select nightshift.add_retention_policy('public.orders', '30 days');
select nightshift.adopt_refresh_policies('reports');
select nightshift.add_partition_policy('public.logs', '1 month');
`;

describe('an application that is migrated with the Supabase CLI', () => {
  let hosted: HostedPostgres;
  let snapshot: string;
  let project: HostedProject;
  let folder: string;
  let migrations: string;
  beforeAll(async () => {
    hosted = await startHostedPostgres();
    snapshot = await readFile(new URL('../schema/snapshot.txt', import.meta.url), 'utf8');
  });
  afterAll(() => hosted.stop());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nightshift-application-'));
    migrations = join(folder, 'supabase/migrations');
    await mkdir(migrations, { recursive: true });
    await write('20260101000000_tables.sql', tables);
  });
  afterEach(async () => {
    await project.close();
    await rm(folder, { recursive: true });
  });

  const write = (file: string, text: string) => writeFile(join(migrations, file), text);
  const run = (...args: string[]) => supabase(args, { folder, databaseUrl: project.url });
  const push = () => run('db', 'push', '--yes');
  const pushed = { code: 0, stdout: expect.stringContaining('Finished supabase db push.') };
  const nothingToPush = {
    code: 0,
    stdout: expect.stringContaining('Remote database is up to date.'),
  };
  const installed = async () => `${(await describeInstalled(project.sql)).join('\n')}\n`;

  async function nightShift(): Promise<Record<string, string>> {
    const { url, secretKey, close } = await startGateway({
      databaseUrl: project.url,
      schemas: ['public', 'nightshift'],
    });
    const deadline = deadlineIn(systemClock, timeoutMs);
    const statuses: Record<string, string> = {};
    for (const name of jobNames) {
      const { run } = await runJob(
        await loadJob(name),
        { trigger: 'cli', input: {} },
        {
          rpc: createRpc({ url, secretKey }, deadline),
          direct: connectDirect(project.url, deadline),
          clock: systemClock,
          deadline,
          log: silentLog,
          metrics: noMetrics,
        },
      );
      statuses[name] = run.status;
    }
    await close();
    return statuses;
  }

  it('pushes a release among its own migrations, a later one behind them, and works', {
    timeout: timeoutMs,
  }, async () => {
    project = await hosted.createProject('before 2026');
    // As some guides have it: whatever is made, wherever, is for everyone.
    await project.sql.unsafe(`
      alter default privileges grant all on tables to anon, authenticated, service_role;
      alter default privileges grant all on sequences to anon, authenticated, service_role;
      alter default privileges grant all on functions to anon, authenticated, service_role;
    `);
    await copyRelease(migrations, at('2026-12-01T00:00:00Z'));
    await write('20261202000000_policies.sql', policies);
    expect(await push()).toMatchObject(pushed);
    expect(await installed()).toBe(snapshot);
    expect(await push()).toMatchObject(nothingToPush);
    expect(await nightShift()).toEqual(
      Object.fromEntries(jobNames.map((name) => [name, 'succeeded'])),
    );

    const releases = await folderOfRelease({ version: '99.0.0' });
    await copyRelease(migrations, at('2027-01-01T00:00:00Z'), { releases });
    await rm(releases, { recursive: true });
    expect(await push()).toMatchObject(pushed);
    expect(await installed()).toBe(snapshot);
    expect(await project.sql`select version from nightshift.migrations order by 1`).toEqual([
      { version: (await newestRelease()).version },
      { version: '99.0.0' },
    ]);
    const [kept] = await project.sql`
      select (select count(*)::integer from nightshift.retention_policies) as policies,
        (select count(*)::integer from nightshift.runs) as runs, (select count(*)::integer from public.orders) as orders`;
    expect(kept).toEqual({ policies: 1, runs: jobNames.length, orders: 700 });
  });

  it('is advised of nothing, where the schema is exposed and new objects are for nobody', {
    timeout: timeoutMs,
  }, async () => {
    project = await hosted.createProject('since 2026');
    await copyRelease(migrations, at('2026-12-01T00:00:00Z'));
    expect(await push()).toMatchObject(pushed);
    expect(await installed()).toBe(snapshot);
    const database = new URL(project.url).pathname.slice(1);
    await project.admin`alter database ${project.admin(database)} set pgrst.db_schemas = 'public, nightshift'`;

    expect(await run('db', 'advisors')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('No issues found'),
    });
    // What is for information only: access is through functions, and indexes that are young.
    const { stdout } = await run('db', 'advisors', '--level', 'info');
    const names = new Set(JSON.parse(stdout).map(({ name }: { name: string }) => name));
    expect(names).toEqual(new Set(['rls_enabled_no_policy', 'unused_index']));
  });

  it('can push its own migrations after migrate, which leaves the history to the CLI', {
    timeout: timeoutMs,
  }, async () => {
    project = await hosted.createProject('before 2026');
    expect(await migrate(project.url)).toMatchObject({ before: undefined });
    expect(await installed()).toBe(snapshot);
    expect(await push()).toMatchObject(pushed);
  });

  it('gets out of a push of the old files that broke off', { timeout: timeoutMs }, async () => {
    project = await hosted.createProject('before 2026');
    const old = oldMigrationFiles().slice(0, 3);
    for (const { file, text } of old) await write(file, text);
    const broken = await push();
    if (isInstalledVersion) {
      expect(broken).toMatchObject({ code: 1, stderr: expect.stringContaining('scan_of') });
      expect(
        await project.sql`select to_regclass('nightshift.retention_policies') is not null as there`,
      ).toEqual([{ there: true }]);
    }
    expect(await uninstall(project.url, { confirmed: false })).toMatchObject({
      unrecorded: true,
      strangers: [],
      dependents: [],
    });
    expect(await migrate(project.url)).toMatchObject({
      before: 'unrecorded',
      linesTakenOver: isInstalledVersion ? 2 : 3,
    });
    expect(await installed()).toBe(snapshot);

    await write('20261202000000_policies.sql', policies);
    for (const { file } of old) await rm(join(migrations, file));
    await copyRelease(migrations, at('2026-12-01T00:00:00Z'));
    expect(await push()).toMatchObject(pushed);
    expect(await installed()).toBe(snapshot);

    await uninstall(project.url, { confirmed: true });
    const [left] = await project.sql`
      select to_regnamespace('nightshift') as schema,
        array(select name from supabase_migrations.schema_migrations order by version) as history`;
    expect(left).toEqual({ schema: null, history: ['tables', 'policies'] });
  });
});
