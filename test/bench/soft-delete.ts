import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import { z } from 'zod';
import { type Stack, startStack } from '../../infra/local/stack.ts';
import { percentile, round, timed } from './measure.ts';

const rows = 200_000;
const calls = 4;
const keysOfCall = 10_000;
const requests = 300;
/** Odd, so that a median is one of the values. */
const rounds = 5;
const reads = 41;
const keysOfClient = [10_000, 100_000, 1_000_000];

interface SoftDeleteFigures {
  rows: number;
  oneRowP50Ms: number;
  oneRowP99Ms: number;
  bulkRowsPerSecond: number;
  bulkShareOfPlainUpdate: number;
  bulkShareOfPlainUpdateWithOurTriggers: number;
  restoredRowsPerSecond: number;
  historyOnBulkUpdates: string;
  [reading: `activeViewOn${string}`]: string;
  [memory: `clientMegabytesAt${number}Keys`]: string;
}

/**
 * What is read from the table and from its active view, while few rows are deleted. There are indexes of all rows and of active
 * ones, by customer.
 */
const readings: Record<string, (relation: string) => string> = {
  'Lookup by key': (relation) =>
    `select count(o.note) from generate_series(1, 500) n cross join lateral (select * from ${relation} r where r.id = n * 300) o`,
  'Page of 50': (relation) =>
    `select count(o.note) from generate_series(1, 100) n cross join lateral (select * from ${relation} r where r.customer >= n * 100 order by r.customer limit 50) o`,
  'Filtered scan': (relation) =>
    `select sum(total), min(note) from ${relation} where customer % 7 = 3`,
  'Scan of a column': (relation) => `select sum(total) from ${relation}`,
  Count: (relation) => `select count(*) from ${relation}`,
};

/** Deleting, restoring and reading, beside the same on tables that have nothing of Nightshift. */
export async function benchSoftDelete(say: (text: string) => void): Promise<SoftDeleteFigures> {
  say(`creating tables of ${rows.toLocaleString('en')} rows`);
  const stack = await startStack({ setUp: createTables });
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    say(`${requests} deletions of one row over the Data API`);
    const oneRowMs = await deleteOneByOne(stack);
    const ms: Record<string, number[]> = {};
    const measure = async (name: string, run: () => Promise<unknown>) => {
      ms[name] = [...(ms[name] ?? []), await timed(run)];
    };
    for (let n = 1; n <= rounds; n++) {
      say(`writing, round ${n} of ${rounds}`);
      await writeInBulk(sql, measure);
    }
    await sql`vacuum full public.orders`;
    // Workers come or not as the machine has time, and share what is compared here.
    await sql`set max_parallel_workers_per_gather = 0`;
    await sql`vacuum analyze public.orders`;
    for (const [name, query] of Object.entries(readings)) {
      say(`reading: ${name.toLowerCase()}`);
      for (let n = 0; n < reads; n++) {
        for (const relation of ['orders', 'active_orders']) {
          await measure(`${name} ${relation}`, () => sql.unsafe(query(`public.${relation}`)));
        }
      }
    }
    const memory: Record<`clientMegabytesAt${number}Keys`, string> = {};
    for (const keys of keysOfClient) {
      say(`${keys.toLocaleString('en')} keys by the client`);
      memory[`clientMegabytesAt${keys}Keys`] = await deleteByClient(stack, sql, keys);
    }
    const median = (name: string) => percentile(ms[name] ?? [], 0.5);
    const share = (name: string, of: string) => median(name) / median(of);
    const perSecond = (name: string) => Math.round(keysOfCall / (median(name) / 1_000));
    return {
      rows,
      oneRowP50Ms: round(percentile(oneRowMs, 0.5)),
      oneRowP99Ms: round(percentile(oneRowMs, 0.99)),
      bulkRowsPerSecond: perSecond('bulk'),
      bulkShareOfPlainUpdate: round(share('plain', 'bulk')),
      bulkShareOfPlainUpdateWithOurTriggers: round(share('plainWithTriggers', 'bulk')),
      restoredRowsPerSecond: perSecond('restore'),
      historyOnBulkUpdates: percent(share('updateWithHistory', 'updateWithoutHistory')),
      ...Object.fromEntries(
        Object.keys(readings).map((name) => [
          `activeViewOn${name.replaceAll(/ ./g, (letter) => letter.slice(1).toUpperCase())}`,
          percent(share(`${name} active_orders`, `${name} orders`)),
        ]),
      ),
      ...memory,
    };
  } finally {
    await sql.end();
    await stack.stop();
  }
}

const percent = (share: number) => `${share < 1 ? '' : '+'}${((share - 1) * 100).toFixed(1)}%`;

async function deleteOneByOne({ gatewayUrl, secretKey }: Stack): Promise<number[]> {
  const client = createClient(gatewayUrl, secretKey, { auth: { persistSession: false } }).schema(
    'nightshift',
  );
  const oneRowMs: number[] = [];
  for (let n = 0; n <= requests; n++) {
    const elapsedMs = await timed(async () => {
      const { error } = await client.rpc('soft_delete', {
        relation: 'public.orders',
        keys: [rows - n],
      });
      if (error) throw error;
    });
    if (n > 0) oneRowMs.push(elapsedMs);
  }
  return oneRowMs;
}

/**
 * The first rows go by calls and come back, each beside one plain update of as many rows: of a table that has nothing of ours,
 * and of this table with its triggers. The rows after those stay and are changed, with the history and without.
 */
async function writeInBulk(
  sql: postgres.Sql,
  measure: (name: string, run: () => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const portions = Array.from({ length: calls }, (_, call) => call * keysOfCall + 1);
  const deletePlainly = (relation: string, first: number) => () =>
    sql`update public.${sql(relation)} set deleted_at = now(), deleted_by = 'x', deletion_reason = 'y'
        where id between ${first} and ${first + keysOfCall - 1}`;
  const vacuum = async () => {
    await sql`vacuum public.orders`;
    await sql`vacuum public.plain`;
  };
  await vacuum();
  for (const first of portions) {
    const keys = sql.json(Array.from({ length: keysOfCall }, (_, n) => first + n));
    await measure('plain', deletePlainly('plain', first));
    await measure(
      'bulk',
      () => sql`select nightshift.soft_delete('public.orders', ${keys}, 'x', 'y')`,
    );
    await measure('plainWithTriggers', deletePlainly('orders', rows / 2 + first));
    await measure('restore', () => sql`select nightshift.restore('public.orders', ${keys})`);
  }
  for (const relation of ['orders', 'plain']) {
    await sql`update public.${sql(relation)} set deleted_at = null
              where id <= ${rows / 2 + calls * keysOfCall} and deleted_at is not null`;
  }
  await vacuum();
  const update = (first: number) => () =>
    sql`update public.orders set total = total + 1 where id between ${first} and ${first + keysOfCall - 1}`;
  for (const [n, first] of portions.entries()) {
    // The second of two updates meets what the first has left behind, so each comes first in turn.
    for (const withHistory of n % 2 ? [true, false] : [false, true]) {
      await sql.unsafe(
        `alter table public.orders ${withHistory ? 'enable' : 'disable'} trigger zz_nightshift_record`,
      );
      const name = withHistory ? 'updateWithHistory' : 'updateWithoutHistory';
      await measure(name, update(calls * keysOfCall + first));
    }
    await sql`alter table public.orders enable trigger zz_nightshift_record`;
  }
}

const tookMemory = z.object({ deleted: z.number(), heapBytes: z.number(), peakBytes: z.number() });

async function deleteByClient(
  { gatewayUrl, secretKey }: Stack,
  sql: postgres.Sql,
  keys: number,
): Promise<string> {
  await sql`truncate public.many`;
  await sql`insert into public.many select generate_series(1, ${keys})`;
  await sql`vacuum analyze public.many`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', fileURLToPath(new URL('soft-delete-process.ts', import.meta.url))],
    {
      env: {
        ...process.env,
        SUPABASE_URL: gatewayUrl,
        SUPABASE_SECRET_KEY: secretKey,
        KEYS: `${keys}`,
      },
    },
  );
  const { deleted, heapBytes, peakBytes } = tookMemory.parse(JSON.parse(stdout));
  if (deleted !== keys) throw new Error(`${deleted} rows were deleted instead of ${keys}`);
  const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);
  return `${megabytes(heapBytes)} in use, ${megabytes(peakBytes)} in all`;
}

async function createTables(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    for (const table of ['orders', 'plain']) {
      await sql.unsafe(`
        create table public.${table} (
          id bigint primary key, customer integer not null, total numeric not null, note text not null,
          deleted_at timestamptz, deleted_by text, deletion_reason text
        );
        insert into public.${table} select n, n % 20000, n, repeat('x', 100) from generate_series(1, ${rows}) n;
        create index on public.${table} (customer);
        create index on public.${table} (deleted_at, id) where deleted_at is not null;
      `);
      await sql.unsafe(`vacuum analyze public.${table}`);
    }
    // As enable_soft_delete makes it for orders.
    await sql`create index on public.plain (customer) where deleted_at is null`;
    await sql`create table public.many (id bigint primary key)`;
    const [orders] = await sql<{ answer: { toDo: { statement: string }[] } }[]>`
      select nightshift.enable_soft_delete('public.orders', active_indexes => array['customer']) as answer`;
    for (const { statement } of orders?.answer.toDo ?? []) await sql.unsafe(statement);
    await sql`select nightshift.enable_soft_delete('public.many')`;
    await sql`grant select, update on public.orders, public.many to service_role`;
  } finally {
    await sql.end();
  }
}
