import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../support/command-line.ts';
import { type Started, start } from '../support/started.ts';
import { until } from '../support/waiting.ts';

let stack: Started;
let sql: postgres.Sql;
beforeAll(async () => {
  const hook = import.meta.resolve('../support/say-removals.ts');
  stack = await start(['--empty'], { NODE_OPTIONS: `--import=${hook}` });
  sql = postgres(stack.urls.database.href, { max: 1, onnotice() {} });
});
afterAll(async () => {
  await sql?.end();
  await stack?.interrupt();
  if (stack) await rm(stack.root, { recursive: true });
});

const nightshift = (...args: string[]) => run(join(stack.root, 'cli/main.ts'), args);

it('starts without the example applications', async () => {
  expect(
    await sql`
      select oid::regclass::text as name from pg_class
      where relkind in ('r', 'p', 'm') and relnamespace = 'public'::regnamespace`,
  ).toEqual([]);
  const { stdout, code } = await nightshift('policies');
  expect(stdout).toMatch(/No retention policies yet[\s\S]*No refresh policies yet/);
  expect(code).toBe(0);
});

it('takes a table of its user, as the readme says', async () => {
  await sql.unsafe(`
    create table public.orders (id integer primary key, deleted_at timestamptz);
    create index on public.orders (deleted_at) where deleted_at is not null;
    insert into public.orders select n, case when n <= 3 then now() - interval '91 days' end from generate_series(1, 10) n;
    select nightshift.add_retention_policy('public.orders', '90 days');`);
  const { stdout, code } = await nightshift('run', 'retention-purge', '--only', 'orders');
  expect(stdout).toMatch(/public\.orders .* 3 .* succeeded/);
  expect(code).toBe(0);
  expect(await sql`select count(*)::integer as n from public.orders`).toEqual([{ n: 7 }]);
});

it('gives the checkout back when nothing else is left of it', async () => {
  const [database] = await sql`show data_directory`;
  await sql.end();
  expect(await stack.interrupt()).toBe(0);
  await until('all is said', async () => stack.output().includes('start.lock'));
  const removed = [...stack.output().matchAll(/^removes (.*)$/gm)].map(([, path]) => path);
  expect(removed).toContain(dirname(database?.data_directory));
  expect(removed.slice(-3)).toEqual(
    ['.env.local', '.esbuild/local', '.esbuild/start.lock'].map((path) => join(stack.root, path)),
  );
});
