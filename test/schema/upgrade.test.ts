import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../cli/installation/migrate.ts';
import { uninstall } from '../../cli/installation/uninstall.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { runPurge } from '../support/purge.ts';

const current = fileURLToPath(new URL('../../supabase/migrations/', import.meta.url));

/** The last migration of each earlier state that was in use, and what a team had declared by then. */
const earlier = [
  {
    until: '20261121000700',
    declared: `select nightshift.add_retention_policy('public.orders', '30 days')`,
  },
  {
    until: '20261121001200',
    declared: `select nightshift.add_retention_policy('public.orders', '30 days');
      select nightshift.adopt_refresh_policies('public')`,
  },
  {
    until: '20261121002200',
    declared: `select nightshift.add_retention_policy('public.orders', '30 days');
      select nightshift.adopt_refresh_policies('public');
      select nightshift.add_partition_policy('public.logs', '1 month')`,
  },
];

describe('an upgrade', () => {
  let db: TestDatabase;
  let directory: string;
  beforeEach(async () => {
    db = await createDatabase();
    directory = await mkdtemp(join(tmpdir(), 'nightshift-migrations-'));
    await db.sql.unsafe(`
      create table public.orders (id integer primary key, deleted_at timestamptz);
      create index on public.orders (deleted_at);
      insert into public.orders select n, case when n <= 300 then now() - interval '400 days' end from generate_series(1, 1000) n;
      create materialized view public.totals as select id from public.orders;
      create unique index on public.totals (id);
      create table public.logs (at timestamptz not null) partition by range (at);
    `);
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
    await db.drop();
  });

  it.each(earlier)(
    'from $until keeps what was declared and what was done, and works',
    async ({ until, declared }) => {
      for (const file of await readdir(current)) {
        if (file.slice(0, until.length) <= until)
          await cp(join(current, file), join(directory, file));
      }
      await uninstall(db.url, { confirmed: true });
      await migrate(db.url, { directory });
      await db.sql.unsafe(declared);
      const [policy] = await db.sql`select * from nightshift.retention_policies`;
      const [run] = await db.sql`
      select nightshift.begin_run('retention-purge', 'cli') #>> '{run,id}' as id`;
      await db.sql`
      select nightshift.finish_run(id, fence, 'succeeded') from nightshift.runs`;

      const { applied } = await migrate(db.url);
      expect(applied.length).toBeGreaterThan(10);
      expect(await db.sql`select * from nightshift.retention_policies`).toEqual([policy]);
      expect(await db.sql`select id, status from nightshift.runs`).toEqual([
        { id: run?.id, status: 'succeeded' },
      ]);
      expect((await runPurge(db)).report).toMatchObject({ rowsPurged: 300, rowsLeft: 0 });
    },
  );
});
