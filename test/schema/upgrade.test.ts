import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../cli/installation/migrate.ts';
import { oldMigrations } from '../../cli/installation/old-migrations.ts';
import { uninstall } from '../../cli/installation/uninstall.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { describeInstalled } from '../support/installed-schema.ts';
import { runPurge } from '../support/purge.ts';
import { applyOldMigrations, oldMigrationFiles } from '../support/releases.ts';

const retention = `select nightshift.add_retention_policy('public.orders', '30 days')`;
const refresh = `select nightshift.adopt_refresh_policies('public')`;
const partition = `select nightshift.add_partition_policy('public.logs', '1 month')`;
const records = `
  update nightshift.settings set ledger_retention = '45 days';
  select nightshift.set_health_threshold('connections', warning => 0.5);
  insert into nightshift.database_sizes (measured_on, bytes) values (current_date - 3, 123456789);
  insert into nightshift.restores (relation_name, restored, failed) values ('public.orders', 3, 1);
  insert into nightshift.view_refreshes (view, view_name, status, reason, detail, started_at, duration_ms)
  values ('public.totals'::regclass, 'public.totals', 'refreshed', 'forced', '', now(), 12)
`;

/** How many of the files were there, and what a team had declared by then. */
const earlier = [
  { files: 7, declared: [retention] },
  { files: 12, declared: [retention, refresh] },
  { files: 26, declared: [retention, refresh, partition] },
  { files: 81, declared: [retention, refresh, partition, records] },
];

const releases = new URL('../../supabase/migrations/', import.meta.url);

describe('an upgrade', () => {
  let db: TestDatabase;
  let fresh: string[] | undefined;
  beforeEach(async () => {
    db = await createDatabase();
    fresh ??= await describeInstalled(db.sql, { bodies: true });
    await db.sql.unsafe(`
      create table public.orders (id integer primary key, deleted_at timestamptz);
      create index on public.orders (deleted_at);
      insert into public.orders select n, case when n <= 300 then now() - interval '400 days' end from generate_series(1, 1000) n;
      create materialized view public.totals as select id from public.orders;
      create unique index on public.totals (id);
      create table public.logs (at timestamptz not null) partition by range (at);
    `);
    await uninstall(db.url, { confirmed: true });
  });
  afterEach(() => db.drop());

  /** Every row of every table, but for what a release brings along. */
  async function rows(): Promise<Record<string, unknown[]>> {
    const tables = await db.sql<{ name: string }[]>`
      select relname as name from pg_class
      where relnamespace = 'nightshift'::regnamespace and relkind = 'r' and relname not in ('health_checks', 'jobs', 'migrations')`;
    const found: Record<string, unknown[]> = {};
    for (const { name } of tables) {
      found[name] = [...(await db.sql`select * from nightshift.${db.sql(name)} order by 1`)];
    }
    return found;
  }

  it('knows all of its files', () => {
    expect(oldMigrations.map((name) => `${name}.sql`)).toEqual(
      oldMigrationFiles().map(({ file }) => file),
    );
  });

  it.each(earlier)(
    'from $files files of before the first release keeps what was declared and what was done, and works',
    async ({ files, declared }) => {
      await applyOldMigrations(db.sql, files);
      for (const statements of declared) await db.sql.unsafe(statements);
      await db.sql`select nightshift.begin_run('retention-purge', 'cli')`;
      await db.sql`select nightshift.finish_run(id, fence, 'succeeded') from nightshift.runs`;
      const before = await rows();
      // What was restored is in the history of deletions.
      delete before.restores;
      // The sizes of days are where the history of all sizes begins.
      before.trend_points = (before.database_sizes ?? []).map((size) => {
        const { measured_on, ...rest } = size as Record<string, unknown>;
        return { ...rest, kind: 'database', subject: '', at: measured_on };
      });
      delete before.database_sizes;
      // What was called claim is the id of a request.
      before.runs = (before.runs ?? []).map((run) => {
        const { claim, ...rest } = run as Record<string, unknown>;
        return { ...rest, request_id: claim };
      });

      const migrated = await migrate(db.url);
      expect(migrated).toMatchObject({ before: 'unrecorded', linesTakenOver: files });
      expect(await rows()).toMatchObject(before);
      expect(await describeInstalled(db.sql, { bodies: true })).toEqual(fresh);
      expect((await runPurge(db)).report).toMatchObject({ rowsPurged: 300, rowsLeft: 0 });
    },
  );

  it.each(readdirSync(releases))(
    'from %s keeps what was done, and is like a new one',
    async (file) => {
      await db.sql.unsafe(readFileSync(new URL(file, releases), 'utf8'));
      await db.sql.unsafe(retention);
      await db.sql`select nightshift.begin_run('retention-purge', 'cli')`;
      const before = await rows();
      await migrate(db.url);
      expect(await rows()).toMatchObject(before);
      expect(await describeInstalled(db.sql, { bodies: true })).toEqual(fresh);
    },
  );

  // The Supabase CLI up to 2.117 broke off within the third file, and an interrupted migrate after any.
  it.each([1, 40])('mends what broke off after %i files', async (files) => {
    await applyOldMigrations(db.sql, files);
    expect(await migrate(db.url)).toMatchObject({ before: 'unrecorded', linesTakenOver: files });
    expect(await describeInstalled(db.sql, { bodies: true })).toEqual(fresh);
    expect(await db.sql`select from supabase_migrations.schema_migrations`).toHaveLength(0);
  });

  it.each([0, 2, 81])('is removed as well after %i files', async (files) => {
    await applyOldMigrations(db.sql, files);
    if (files === 0) await db.sql`create schema nightshift`;
    const functions = () =>
      db.sql`select oid from pg_proc where pronamespace = 'nightshift'::regnamespace order by oid`;
    const before = await functions();
    expect(await uninstall(db.url, { confirmed: false })).toMatchObject({
      unrecorded: true,
      strangers: [],
    });
    expect(await functions()).toEqual(before);

    await uninstall(db.url, { confirmed: true });
    const [left] = await db.sql`
      select to_regnamespace('nightshift') as schema, (select count(*)::integer from supabase_migrations.schema_migrations) as lines`;
    expect(left).toEqual({ schema: null, lines: 0 });
  });
});
