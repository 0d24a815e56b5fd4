import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseEnv } from 'node:util';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../support/command-line.ts';
import { codeBlocks, readPage, sectionOf } from '../support/documents.ts';
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
    insert into public.orders select n, case when n <= 3 then now() - interval '91 days' end from generate_series(1, 10) n;`);
  const application = await mkdtemp(join(tmpdir(), 'nightshift-application-'));
  const looked = await nightshift('init', '--to', application);
  await rm(application, { recursive: true });
  expect(looked.stderr).toContain(
    `Database: the local stack, ${stack.urls.database.host}/postgres`,
  );
  expect(looked.stdout).toMatch(/public\.orders[\s\S]*Tonight: 3 of 10 rows/);
  await sql`select nightshift.add_retention_policy('public.orders', '90 days')`;
  const { stdout, code } = await nightshift('run', 'retention-purge', '--only', 'orders');
  expect(stdout).toMatch(/public\.orders .* 3 .* succeeded/);
  expect(code).toBe(0);
  expect(await sql`select count(*)::integer as n from public.orders`).toEqual([{ n: 7 }]);
});

it('has the first soft delete of its user, as docs/soft-delete.md says', async () => {
  const section = sectionOf(readPage('docs/soft-delete.md'), 'The first one, in three minutes');
  const [tables = ''] = codeBlocks(section, 'sql');
  const [script = ''] = codeBlocks(section, 'js');
  await sql.unsafe(tables);
  let operation = '';
  for (const line of codeBlocks(section, 'sh').join('').trim().split('\n')) {
    const [, args] = /^npm run nightshift -- (.*)$/.exec(line) ?? [];
    if (args === undefined) {
      const file = join(stack.root, 'first.mjs');
      await writeFile(file, script);
      const settings = parseEnv(await readFile(join(stack.root, '.env.local'), 'utf8'));
      const { stdout, stderr } = await run(file, [], settings as Record<string, string>);
      expect(stderr).toBe('');
      expect(stdout).toMatch(/active: \[\],\s+deleted: \[\s+\{ id: 1[\s\S]*\{ id: 2/);
      operation = /operation: '([^']+)'/.exec(stdout)?.[1] ?? '';
      continue;
    }
    const { stderr, code } = await nightshift(...args.replace('<operation>', operation).split(' '));
    expect(code, `${line}: ${stderr}`).toBe(0);
  }
  expect(await sql`select count(*)::integer as n from public.active_books`).toEqual([{ n: 2 }]);
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
