import type postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { standIns } from '../support/cron.ts';
import { setUpDatabase } from '../support/database.ts';
import { codeBlocks, pages, plain, readPage, rowsOf, sectionOf } from '../support/documents.ts';
import { behindCalls } from '../support/every-call.ts';

interface Argument {
  name: string;
  type: string;
  /** As the catalog has it; null when the argument has to be given. */
  default: string | null;
}

/** A default as one writes it: without its cast, and numbers without quotes. */
const written = (expression: string | null): string =>
  (expression ?? '')
    .replace(/::[a-z ]+(\[\])?$/, '')
    .replace(/^NULL$/, 'null')
    .replace(/^'(\d+)'$/, '$1');

/** Every page's rows of functions: `restore(relation, keys)`. */
const documented = pages.flatMap((page) =>
  rowsOf(readPage(page), 'Function').map((row) => plain(row.Function)),
);

/** The functions whose arguments have a table of their own, below a heading with their name. */
const withTable = [
  ['add_retention_policy', 'docs/retention.md'],
  ['add_refresh_policy', 'docs/refresh.md'],
  ['add_partition_policy', 'docs/partitions.md'],
] as const;

const db = setUpDatabase();

async function argumentsOf(name: string): Promise<Argument[]> {
  return db.sql<Argument[]>`
    select a.name, format_type(a.type, null) as type,
      pg_get_function_arg_default(p.oid, a.position::integer) as default
    from pg_proc p,
      unnest(p.proargnames, p.proargtypes::oid[]) with ordinality a(name, type, position)
    where p.pronamespace = 'nightshift'::regnamespace and p.proname = ${name}
    order by a.position`;
}

const signature = (name: string, args: Argument[]) => {
  const named = args.map((arg) =>
    arg.default === null ? arg.name : `${arg.name} => ${written(arg.default)}`,
  );
  return `${name}(${named.join(', ')})`;
};

describe('functions in the documentation', () => {
  it.each(documented)('%s is as in the catalog', async (call) => {
    const name = call.replace(/\(.*/, '');
    const args = await argumentsOf(name);
    expect(args.length > 0 || call.endsWith('()'), `there is a function ${name}`).toBe(true);
    expect(call).toBe(signature(name, args));
  });

  it('are all those that are for people', async () => {
    const forPeople = await db.sql<{ name: string }[]>`
      select p.proname as name from pg_proc p
      where p.pronamespace = 'nightshift'::regnamespace
        and has_function_privilege('service_role', p.oid, 'execute')
        and not has_function_privilege('nightshift_runner', p.oid, 'execute')`;
    const names = [
      ...documented.map((call) => call.replace(/\(.*/, '')),
      ...withTable.map(([name]) => name),
    ];
    expect(
      forPeople
        .map(({ name }) => name)
        .filter((name) => !names.includes(name) && !behindCalls.includes(name)),
    ).toEqual([]);
  });

  it.each(withTable)('%s has its arguments, types and defaults in %s', async (name, page) => {
    const rows = rowsOf(sectionOf(readPage(page), name), 'Argument');
    const args = await argumentsOf(name);
    expect(rows.map((row) => [row.Argument, plain(row.Type), plain(row.Default)])).toEqual(
      args.map((arg) => [arg.name, arg.type, written(arg.default)]),
    );
  });
});

describe('docs/settings.md', () => {
  it('has the columns of nightshift.settings and their defaults', async () => {
    const columns = await db.sql<{ name: string; default: string | null }[]>`
      select a.attname as name, pg_get_expr(d.adbin, d.adrelid) as default
      from pg_attribute a
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = 'nightshift.settings'::regclass and a.attnum > 0 and a.attname <> 'singleton'
      order by a.attnum`;
    const rows = rowsOf(readPage('docs/settings.md'), 'Column');
    expect(rows.map((row) => [plain(row.Column), plain(row.Default)])).toEqual(
      columns.map((column) => [column.name, written(column.default)]),
    );
  });
});

/** What a page's statements are about, when they do not make it themselves. */
const setUps: Record<string, string> = {
  'docs/key-queries.md': `create table public.daily_metrics (recorded_date date)`,
  // There is no pg_cron here: this one carries out at once what it is given, as the night would.
  'docs/cron.md': `
    create schema cron;
    create function cron.schedule(job_name text, schedule text, command text) returns bigint language plpgsql
      as $$ begin execute command; return 1; end $$;
    create table public.events (id bigint, created_at timestamptz not null) partition by range (created_at);
    select nightshift.add_partition_policy('public.events', '1 month');
    create materialized view public.sales_by_day as select current_date as day, 0 as total;
    create unique index on public.sales_by_day (day);`,
  'README.md': `
    create table public.orders (id bigint primary key, deleted_at timestamptz);
    create materialized view public.sales_by_day as select current_date as day, 0 as total;
    create table public.events (id bigint, created_at timestamptz not null) partition by range (created_at);`,
  'docs/refresh.md': `
    create materialized view public.sales_by_day as select current_date as day, 0 as total;`,
  'docs/retention.md': `
    create table public.orders (id bigint primary key, deleted_at timestamptz);
    create table public.activity_logs (id bigint primary key, created_at timestamptz);
    create table public."Product" (id bigint primary key, "deletedAt" timestamptz, "isDeleted" boolean);
    create table public.jobs (id bigint primary key, status text, finished_at timestamptz);`,
  'docs/edge.md': standIns,
  'docs/vacuum.md': 'create table public.orders (id bigint primary key);',
  // Vault and Realtime, as far as the page uses them.
  'docs/soft-delete.md': `
    create schema if not exists extensions;
    create extension if not exists pgcrypto with schema extensions;
    create schema vault;
    create table vault.stand_in (name text, decrypted_secret text);
    create view vault.decrypted_secrets as select * from vault.stand_in;
    create function vault.create_secret(secret text, name text) returns void language sql
      as $$ insert into vault.stand_in values (name, secret) $$;
    create schema realtime;
    create table realtime.messages (topic text);
    create function realtime.topic() returns text language sql return current_setting('realtime.topic', true);`,
  'docs/pg_partman.md': `
    create table public.users (id bigint primary key);
    create table public.events (
      id bigint generated always as identity primary key, created_at timestamptz not null,
      user_id bigint references public.users (id)
    );
    create table public.comments (event_id bigint references public.events (id));
    insert into public.events (created_at) values ('2026-01-01'), ('2026-02-01');`,
};

/** A statement that cannot succeed here, and the code of the error that it ends with. */
const refused: Record<string, string> = {
  "select nightshift.reattach_partition('public.events_2024_01')": '42P01',
};

/** Of the page on pg_partman, the steps from a plain table: there is no pg_partman here. */
const testedPart = (page: string): string =>
  page === 'docs/pg_partman.md'
    ? (/## From a plain table[\s\S]*?(?=\*\*Or attach)/.exec(readPage(page))?.[0] ?? '')
    : readPage(page);

/** The runbook is tested beside its alarms; the other page revokes a role of the whole server. */
const elsewhere = ['docs/runbook.md', 'docs/keys.md'];
const pagesWithSql = pages.filter(
  (page) => !elsewhere.includes(page) && codeBlocks(readPage(page), 'sql').length > 0,
);

describe.each(pagesWithSql)('the SQL of %s', (page) => {
  const own = setUpDatabase();
  beforeAll(async () => {
    await own.sql.unsafe(`create role auditor; ${setUps[page] ?? ''}`);
  });
  afterAll(() => own.sql.unsafe('drop owned by auditor; drop role auditor'));

  it('runs as it stands, from the first statement to the last', async () => {
    const session = own.connect();
    const statements = codeBlocks(testedPart(page), 'sql')
      .join('\n')
      .replace(/--.*$/gm, '')
      .split(/;\s*$/m)
      .map((statement) => statement.trim())
      .filter((statement) => statement !== '');
    expect(statements.length).toBeGreaterThan(0);
    for (const statement of statements) {
      const ended = await session.unsafe(statement).then(
        () => undefined,
        (error: postgres.PostgresError) => `${error.code}: ${error.message}`,
      );
      expect(ended?.split(':')[0], `${statement}: ${ended}`).toBe(refused[statement]);
    }
  });
});
