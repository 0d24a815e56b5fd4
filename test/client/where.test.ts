import { createClient } from '@supabase/supabase-js';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  planDelete,
  restoreOperation,
  SoftDeleteError,
  softDelete,
  softDeleteWhere,
} from '../../client/index.ts';
import type { Gateway } from '../../infra/local/gateway.ts';
import { setUpDatabase } from '../support/database.ts';
import type { Database } from './database.ts';

const db = setUpDatabase();
let gateway: Gateway;
beforeAll(async () => {
  await db.sql.unsafe(`
    create schema app;
    create table app.orders (id bigint primary key, customer uuid, sku text);
    create table app.order_lines (
      order_id bigint references app.orders, line integer, primary key (order_id, line)
    );
    select nightshift.enable_soft_delete('app.order_lines');
    select nightshift.enable_soft_delete('app.orders', cascade => array['app.order_lines']);
    grant usage on schema app to service_role;
    grant select, update on all tables in schema app to service_role;
  `);
  gateway = await db.gateway();
});

beforeEach(async () => {
  await db.sql.unsafe(`
    truncate app.orders, app.order_lines;
    insert into app.orders (id, sku) select i, 'sku ' || i % 2 from generate_series(1, 5000) i;
    insert into app.order_lines select i, 1 from generate_series(1, 3) i;
  `);
});

const client = () =>
  createClient<Database>(gateway.url, gateway.secretKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
  });

describe('softDeleteWhere', () => {
  it('deletes what meets the condition, batch by batch in one operation', async () => {
    const totals: number[] = [];
    const condition = [{ column: 'sku', operator: 'eq', value: 'sku 1' }] as const;
    const deletion = await softDeleteWhere(client(), 'app.orders', condition, {
      onProgress: ({ deleted }) => totals.push(deleted),
    });
    expect(deletion).toMatchObject({ deleted: 2_500, cascaded: { 'app.order_lines': 2 } });
    expect(totals).toEqual([1_000, 2_000, 2_500]);
    const { restored } = await restoreOperation(client(), deletion.operation);
    expect(restored).toEqual({ 'app.orders': 2_500, 'app.order_lines': 2 });
  });

  it('deletes nothing when nothing meets it', async () => {
    const condition = [{ column: 'sku', operator: 'is_null' }] as const;
    expect(await softDeleteWhere(client(), 'app.orders', condition)).toMatchObject({ deleted: 0 });
  });

  it('is refused without a condition', async () => {
    const error = await softDeleteWhere(client(), 'app.orders', []).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(SoftDeleteError);
    expect(error).toMatchObject({ code: 'NS422', hint: expect.any(String) });
  });

  it('does not go on for ever when a trigger keeps all rows', async () => {
    await db.sql.unsafe(`
      create function app.keep() returns trigger language plpgsql as 'begin return null; end';
      create trigger keep before update on app.orders for each row execute function app.keep();
    `);
    const condition = [{ column: 'sku', operator: 'eq', value: 'sku 1' }] as const;
    await expect(softDeleteWhere(client(), 'app.orders', condition)).rejects.toMatchObject({
      code: 'NS422',
      table: 'app.orders',
    });
    await db.sql`drop function app.keep cascade`;
  });
});

describe('planDelete', () => {
  it('says what would go, and its hash is good for just that', async () => {
    const plan = await planDelete(client(), 'app.orders', [1, 2, 99_999]);
    expect(plan).toEqual({
      tables: [
        { relation: 'app.orders', rows: 2, via: null },
        { relation: 'app.order_lines', rows: 2, via: 'order_lines_order_id_fkey' },
      ],
      restricted: [],
      alreadyDeleted: 0,
      notFound: 1,
      hash: expect.any(String),
    });

    await db.sql`insert into app.order_lines values (1, 2)`;
    const confirmed = plan.hash;
    await expect(
      softDelete(client(), 'app.orders', [1, 2, 99_999], { confirmed }),
    ).rejects.toMatchObject({ code: 'NS409' });
    const { hash } = await planDelete(client(), 'app.orders', 1);
    expect(await softDelete(client(), 'app.orders', 1, { confirmed: hash })).toMatchObject({
      deleted: 1,
      cascaded: { 'app.order_lines': 2 },
    });
  });
});
