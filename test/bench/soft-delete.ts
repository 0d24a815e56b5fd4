import { createClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import { startStack } from '../../infra/local/stack.ts';
import { percentile, round, timed } from './measure.ts';

const rows = 200_000;
const bulkRows = 50_000;
const keysOfCall = 10_000;
const requests = 300;
/** Odd, so that a median is one of the values. */
const rounds = 3;

interface SoftDeleteFigures {
  rows: number;
  oneRowP50Ms: number;
  oneRowP99Ms: number;
  bulkRowsPerSecond: number;
  bulkShareOfPlainUpdate: number;
  restoredRowsPerSecond: number;
  historyOnBulkUpdates: string;
  activeViewOnScans: string;
  activeViewOnLookups: string;
}

/** Deleting and restoring, beside a plain update of a table that has nothing of Nightshift. */
export async function benchSoftDelete(say: (text: string) => void): Promise<SoftDeleteFigures> {
  say(`creating two tables of ${rows.toLocaleString('en')} rows`);
  const stack = await startStack({ setUp: createTables });
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    say(`${requests} deletions of one row over the Data API`);
    const client = createClient(stack.gatewayUrl, stack.secretKey, {
      auth: { persistSession: false },
    }).schema('nightshift');
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

    const ms: Record<string, number[]> = {};
    const measure = async (name: string, run: () => Promise<unknown>) => {
      ms[name] = [...(ms[name] ?? []), await timed(run)];
    };
    for (let round = 1; round <= rounds; round++) {
      say(`round ${round} of ${rounds}`);
      await sql`vacuum public.orders`;
      await sql`vacuum public.plain`;
      const calls = Array.from({ length: bulkRows / keysOfCall }, (_, call) =>
        Array.from({ length: keysOfCall }, (_, n) => call * keysOfCall + n + 1),
      );
      await measure(
        'plain',
        () =>
          sql`update public.plain set deleted_at = now(), deleted_by = 'x', deletion_reason = 'y' where id <= ${bulkRows}`,
      );
      await measure('bulk', async () => {
        for (const keys of calls) {
          await sql`select nightshift.soft_delete('public.orders', ${sql.json(keys)}, 'x', 'y')`;
        }
      });
      await measure('restore', async () => {
        for (const keys of calls) {
          await sql`select nightshift.restore('public.orders', ${sql.json(keys)})`;
        }
      });
      await sql`update public.plain set deleted_at = null where id <= ${bulkRows}`;
      await sql`vacuum public.orders`;
      const update = () =>
        sql`update public.orders set total = total + 1 where id between ${bulkRows + 1} and ${2 * bulkRows}`;
      await measure('updateWithHistory', update);
      await sql`vacuum public.orders`;
      await sql`alter table public.orders disable trigger zz_nightshift_record`;
      await measure('updateWithoutHistory', update);
      await sql`alter table public.orders enable trigger zz_nightshift_record`;
      await sql`vacuum public.orders`;
      for (const relation of ['orders', 'active_orders']) {
        await measure(
          `scan ${relation}`,
          () => sql`select sum(total) from public.${sql(relation)} where customer % 7 = 3`,
        );
        await measure(`lookup ${relation}`, async () => {
          for (let n = 0; n < 500; n++) {
            await sql`select * from public.${sql(relation)} where customer = ${n}`;
          }
        });
      }
    }
    const median = (name: string) => percentile(ms[name] ?? [], 0.5);
    const share = (name: string, of: string) => median(name) / median(of);
    const perSecond = (name: string) => Math.round(bulkRows / (median(name) / 1_000));
    return {
      rows,
      oneRowP50Ms: round(percentile(oneRowMs, 0.5)),
      oneRowP99Ms: round(percentile(oneRowMs, 0.99)),
      bulkRowsPerSecond: perSecond('bulk'),
      bulkShareOfPlainUpdate: round(share('plain', 'bulk')),
      restoredRowsPerSecond: perSecond('restore'),
      historyOnBulkUpdates: percent(share('updateWithHistory', 'updateWithoutHistory')),
      activeViewOnScans: percent(share('scan active_orders', 'scan orders')),
      activeViewOnLookups: percent(share('lookup active_orders', 'lookup orders')),
    };
  } finally {
    await sql.end();
    await stack.stop();
  }
}

const percent = (share: number) => `${share < 1 ? '' : '+'}${((share - 1) * 100).toFixed(1)}%`;

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
    await sql`select nightshift.enable_soft_delete('public.orders')`;
    await sql`grant select, update on public.orders to service_role`;
  } finally {
    await sql.end();
  }
}
