import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, setUpDatabase } from '../support/database.ts';

const script = fileURLToPath(new URL('../../cli/smoke/main.ts', import.meta.url));

describe('npm run smoke', () => {
  const db = setUpDatabase();
  beforeAll(() =>
    db.sql.unsafe(`
      create table public.orders (id integer primary key, deleted_at timestamptz);
      create index on public.orders (deleted_at);
      insert into public.orders values (1, now() - interval '400 days'), (2, null);
      select nightshift.add_retention_policy('public.orders', '90 days');
      select nightshift.finish_run((begun -> 'run' ->> 'id')::uuid, (begun -> 'run' ->> 'fence')::bigint, 'succeeded')
      from nightshift.begin_run('retention-purge', 'schedule') begun;
    `),
  );

  async function smoke(databaseUrl = db.url) {
    const { url, secretKey } = await db.gateway();
    const child = spawn(process.execPath, [script, '--database-url', databaseUrl], {
      env: { ...process.env, SUPABASE_URL: url, SUPABASE_SECRET_KEY: secretKey, NO_COLOR: '1' },
    });
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    return { stdout, stderr, code };
  }

  /** All rows of Nightshift and of the application, and all schemas but those that Postgres keeps for temporary tables. */
  async function everything() {
    const tables = await db.sql<{ name: string }[]>`
      select oid::regclass::text as name from pg_class
      where relkind = 'r' and relnamespace in ('nightshift'::regnamespace, 'public'::regnamespace) order by 1`;
    const rows = await Promise.all(
      tables.map(async ({ name }) => [name, await db.sql.unsafe(`select * from ${name}`)]),
    );
    return {
      rows,
      schemas:
        await db.sql`select nspname from pg_namespace where nspname !~ '^pg_(toast_)?temp_' order by 1`,
    };
  }

  it('tries each job on tables of its own, and leaves everything as it was', async () => {
    const before = await everything();
    const { stdout, stderr, code } = await smoke();
    expect(code, stderr).toBe(0);
    expect(stdout.match(/^ok /gm)).toHaveLength(6);
    expect(stdout).toMatch(/the purge: deleted the 20 rows that were due, and no other/);
    expect(stdout).toMatch(/Nightshift works here[\s\S]*Dropped the schema nightshift_smoke_/);
    expect(await everything()).toEqual(before);
  });

  it('says what is wrong, and leaves nothing behind then either', async () => {
    const [run] =
      await db.sql`select nightshift.begin_run('view-refresh', 'schedule') -> 'run' as run`;
    const before = await everything();
    const { stdout, stderr, code } = await smoke();
    expect(stderr).toMatch(/view-refresh was not run: another run of it is in progress/);
    expect(stdout).toMatch(/the purge: deleted[\s\S]*Dropped the schema nightshift_smoke_/);
    expect(code).toBe(1);
    expect(await everything()).toEqual(before);
    await db.sql`select nightshift.finish_run(${run?.run.id}, ${run?.run.fence}, 'succeeded')`;
  });

  it('touches nothing when the two ways lead to two databases', async () => {
    const other = await createDatabase();
    try {
      const { stderr, code } = await smoke(other.url);
      expect(stderr).toMatch(/SUPABASE_URL and --database-url lead to two databases/);
      expect(code).toBe(2);
    } finally {
      await other.drop();
    }
  });
});
