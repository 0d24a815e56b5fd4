import { createClient } from '@supabase/supabase-js';
import { sign } from 'hono/jwt';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  planRestore,
  putActive,
  restore,
  restoreOperation,
  softDelete,
} from '../../client/index.ts';
import { systemClock, timeMs } from '../../functions/_shared/clock.ts';
import { setUpDatabase } from '../support/database.ts';

// docs/supabase-guide.md has a row for each test here, by its name.

const [ann, bob] = ['a0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000002'];
/** A clock that is years behind, as that of a client may be. */
const clientsClock = '2019-12-31T23:59:59.000Z';

const db = setUpDatabase();
let asAnn: ReturnType<typeof connect>;
let asService: ReturnType<typeof connect>;

beforeAll(async () => {
  // The same tables twice: items as the guide has it, products as they are with Nightshift.
  for (const [table, parts] of [
    ['items', 'item_parts'],
    ['products', 'product_parts'],
  ]) {
    await db.sql.unsafe(`
      create table public.${table} (id integer primary key, owner uuid not null, sku text unique, price integer);
      create table public.${parts} (id integer primary key, of_id integer not null references public.${table});
      alter table public.${table} enable row level security;
      create policy own on public.${table} to authenticated
        using (owner = (current_setting('request.jwt.claims')::jsonb ->> 'sub')::uuid);
      grant select, insert, update on public.${table}, public.${parts} to authenticated, service_role;
    `);
  }
  await db.sql.unsafe(`
    alter table public.items add column deleted_at timestamptz;
    alter table public.item_parts add column deleted_at timestamptz;
    create view public.active_items as select * from public.items where deleted_at is null;
    create view public.active_item_parts as select * from public.item_parts where deleted_at is null;
    grant select, insert, update on public.active_items, public.active_item_parts to authenticated, service_role;

    select nightshift.enable_soft_delete('public.product_parts', for_users => true);
    select nightshift.enable_soft_delete('public.products', cascade => array['public.product_parts'],
      unique_among_active => array['sku'], for_users => true);

    -- For whoever goes on from the guide: who deleted a row, unique among active rows, and hidden by a policy.
    create table public.drafts (id integer primary key, deleted_at timestamptz, deleted_by uuid);
    create table public.tags (id integer primary key, name text, deleted_at timestamptz);
    create unique index on public.tags (name) where deleted_at is null;
    create table public.secrets (id integer primary key, deleted_at timestamptz);
    alter table public.secrets enable row level security;
    create policy active on public.secrets for select to authenticated using (deleted_at is null);
    create policy change on public.secrets for update to authenticated using (true) with check (true);
    create table public.hidden (id integer primary key);
    alter table public.hidden enable row level security;
    create policy everything on public.hidden to authenticated using (true) with check (true);
    select nightshift.enable_soft_delete('public.hidden', hide => true);
    grant select, insert, update on public.drafts, public.tags, public.secrets, public.hidden to authenticated, service_role;
  `);
  const { url, publishableKey, secretKey, jwtSecret } = await db.gateway();
  const exp = Math.floor(systemClock.nowMs() / 1_000) + 600;
  const token = await sign({ role: 'authenticated', sub: ann, exp }, jwtSecret, 'HS256');
  asAnn = connect(url, publishableKey, token);
  asService = connect(url, secretKey);
});

beforeEach(async () => {
  await db.sql.unsafe(`
    truncate public.items, public.item_parts, public.products, public.product_parts, public.drafts, public.tags,
      public.secrets, public.hidden, nightshift.deletion_events;
    insert into public.items values (1, '${ann}', 'A', 10), (2, '${ann}', 'B', 20), (3, '${bob}', 'C', 30);
    insert into public.products (id, owner, sku, price) select id, owner, sku, price from public.items;
    insert into public.item_parts values (11, 1), (12, 1), (21, 2);
    insert into public.product_parts (id, of_id) select id, of_id from public.item_parts;
    insert into public.drafts values (1);
    insert into public.secrets values (1);
    insert into public.hidden values (1);
  `);
});

function connect(url: string, key: string, token?: string) {
  return createClient(url, key, {
    auth: { persistSession: false, autoRefreshToken: false },
    ...(token ? { global: { headers: { authorization: `Bearer ${token}` } } } : {}),
  });
}

/** As the guide deletes, at the time of the client. */
const markDeleted = (table: string, id: number, time = clientsClock) =>
  asAnn.from(table).update({ deleted_at: time }).eq('id', id);

const serverTimeMs = async () => {
  const [row] = await db.sql<{ ms: number }[]>`
    select (extract(epoch from date_trunc('milliseconds', clock_timestamp())) * 1000)::float8 as ms`;
  return row?.ms ?? 0;
};

async function deletedAtMs(table: string, id: number): Promise<number> {
  const [row] = await db.sql<{ ms: number }[]>`
    select (extract(epoch from deleted_at) * 1000)::float8 as ms from ${db.sql(table)} where id = ${id}`;
  return row?.ms ?? 0;
}

async function idsOf(view: string, client = asAnn): Promise<number[]> {
  const { data } = await client.from(view).select('id').order('id').throwOnError();
  return data.map(({ id }) => id);
}

describe('beside the guide of Supabase', () => {
  it('the view shows the rows of other users', async () => {
    expect(await idsOf('items')).toEqual([1, 2]);
    expect(await idsOf('active_items')).toEqual([1, 2, 3]);

    expect(await idsOf('active_products')).toEqual([1, 2]);
  });

  it('the time is that of the clock of whoever deletes', async () => {
    await markDeleted('items', 1).throwOnError();
    expect(await deletedAtMs('items', 1)).toBe(timeMs(clientsClock));

    const beforeMs = await serverTimeMs();
    await markDeleted('products', 1).throwOnError();
    expect(await deletedAtMs('products', 1)).toBeGreaterThanOrEqual(beforeMs);
    expect(await deletedAtMs('products', 1)).toBeLessThanOrEqual(await serverTimeMs());
  });

  it('a unique value of a deleted row is taken for ever', async () => {
    const again = { id: 4, owner: ann, sku: 'A' };
    await markDeleted('items', 1).throwOnError();
    expect((await asAnn.from('items').insert(again)).error).toMatchObject({ code: '23505' });

    await softDelete(asAnn, 'products', 1);
    expect((await asAnn.from('products').insert(again)).error).toBeNull();
  });

  it('what belongs to a deleted row stays', async () => {
    await markDeleted('items', 1).throwOnError();
    expect(await idsOf('active_item_parts')).toEqual([11, 12, 21]);

    await softDelete(asAnn, 'products', 1);
    expect(await idsOf('active_product_parts')).toEqual([21]);
  });

  it('a restore brings back what had been deleted before', async () => {
    await markDeleted('item_parts', 11).throwOnError();
    await markDeleted('items', 1).throwOnError();
    await asAnn
      .from('item_parts')
      .update({ deleted_at: clientsClock })
      .eq('of_id', 1)
      .throwOnError();
    await asAnn.from('items').update({ deleted_at: null }).eq('id', 1).throwOnError();
    await asAnn.from('item_parts').update({ deleted_at: null }).eq('of_id', 1).throwOnError();
    expect(await idsOf('active_item_parts')).toEqual([11, 12, 21]);

    await softDelete(asAnn, 'product_parts', 11);
    const { operation } = await softDelete(asAnn, 'products', 1);
    await restoreOperation(asAnn, operation);
    expect(await idsOf('active_product_parts')).toEqual([12, 21]);
  });

  it('one conflict keeps all rows from coming back, and is not named', async () => {
    await asService
      .from('tags')
      .insert([
        { id: 1, name: 'red', deleted_at: clientsClock },
        { id: 2, name: 'blue', deleted_at: clientsClock },
        { id: 3, name: 'red' },
      ])
      .throwOnError();
    const all = await asService.from('tags').update({ deleted_at: null }).in('id', [1, 2]);
    expect(all.error?.code).toBe('23505');
    // The value that was taken, but neither the row that stays nor the one that has it.
    expect(JSON.stringify(all.error)).not.toMatch(/"id"|\(id\)/);
    const { data } = await asService.from('tags').select('id').is('deleted_at', null);
    expect(data).toEqual([{ id: 3 }]);

    const { operation } = await softDelete(asAnn, 'products', [1, 2]);
    await asAnn.from('products').insert({ id: 4, owner: ann, sku: 'A' }).throwOnError();
    expect((await planRestore(asAnn, operation)).conflicts).toMatchObject([
      { relation: 'public.products', key: 1, kind: 'unique', blocking: 4 },
    ]);
    expect(await restore(asAnn, 'products', [1, 2])).toMatchObject({
      restored: 1,
      failed: 1,
      conflicts: [{ key: 1, code: '23505' }],
    });
    await restore(asAnn, 'products', 1, { overrides: { sku: 'A-old' } });
    expect(await idsOf('active_products')).toEqual([1, 2, 4]);
  });

  it('who deleted a row, and that it came back, is written nowhere', async () => {
    await markDeleted('items', 1).throwOnError();
    await asAnn.from('items').update({ deleted_at: null }).eq('id', 1).throwOnError();
    const [row] = await db.sql`select * from public.items where id = 1`;
    expect(row).toEqual({ id: 1, owner: ann, sku: 'A', price: 10, deleted_at: null });

    await markDeleted('products', 1).throwOnError();
    await restore(asAnn, 'products', 1, { reason: 'By mistake' });
    expect(
      await db.sql`select action, keys, actor, reason from nightshift.deletion_events order by id`,
    ).toEqual([
      { action: 'delete', keys: [1], actor: ann, reason: null },
      { action: 'restore', keys: [1], actor: ann, reason: 'By mistake' },
    ]);
  });

  it('who deleted a row can be made up', async () => {
    const forged = { deleted_at: clientsClock, deleted_by: bob };
    await asAnn.from('drafts').update(forged).eq('id', 1).throwOnError();
    expect(await db.sql`select deleted_by from public.drafts`).toEqual([{ deleted_by: bob }]);

    await asAnn.from('products').update(forged).eq('id', 1).throwOnError();
    expect(await db.sql`select deleted_by from public.products where id = 1`).toEqual([
      { deleted_by: ann },
    ]);
    await expect(softDelete(asAnn, 'products', 2, { by: bob })).rejects.toMatchObject({
      code: 'NS403',
    });
  });

  it('a policy that hides deleted rows refuses the deletion', async () => {
    expect((await markDeleted('secrets', 1)).error).toMatchObject({ code: '42501' });

    await markDeleted('hidden', 1).throwOnError();
    expect(await idsOf('hidden')).toEqual([]);
    const [row] = await db.sql`select deleted_at is not null as deleted from public.hidden`;
    expect(row).toEqual({ deleted: true });
  });

  it('a deletion that found no row looks like success', async () => {
    for (const notAnns of [3, 99]) {
      expect((await markDeleted('items', notAnns)).error).toBeNull();

      await expect(softDelete(asAnn, 'products', notAnns)).rejects.toMatchObject({ code: 'NS404' });
    }
    expect(await softDelete(asAnn, 'products', [1, 3, 99])).toMatchObject({
      deleted: 1,
      notFound: 2,
    });
  });

  it('an upsert writes to a deleted row, and nobody sees it', async () => {
    const row = { id: 1, owner: ann, sku: 'A', price: 11 };
    await markDeleted('items', 1).throwOnError();
    expect((await asAnn.from('items').upsert(row)).error).toBeNull();
    expect(await idsOf('active_items')).not.toContain(1);

    await softDelete(asAnn, 'products', 1);
    const options = { conflictColumns: ['sku'] };
    await expect(putActive(asAnn, 'products', row, options)).rejects.toMatchObject({
      code: 'NS409',
    });
    expect(await putActive(asAnn, 'products', row, { ...options, onDeleted: 'revive' })).toEqual({
      action: 'revived',
      key: 1,
    });
    expect(await idsOf('active_products')).toContain(1);
  });

  it('a row that is deleted twice has the later time', async () => {
    await markDeleted('items', 1).throwOnError();
    await markDeleted('items', 1, '2020-06-01T00:00:00.000Z').throwOnError();
    expect(await deletedAtMs('items', 1)).toBe(timeMs('2020-06-01T00:00:00.000Z'));

    await softDelete(asAnn, 'products', 1, { reason: 'Sold' });
    const firstMs = await deletedAtMs('products', 1);
    await markDeleted('products', 1).throwOnError();
    expect(await deletedAtMs('products', 1)).toBe(firstMs);
    await expect(softDelete(asAnn, 'products', 1)).rejects.toMatchObject({
      name: 'AlreadyDeletedError',
    });
  });

  it('a client that synchronises passes over deletions', async () => {
    // One deletion begins first and commits last, as any slow request does.
    const interleaved = async (early: string, late: string, read: () => Promise<void>) => {
      const slow = db.connect();
      await slow`begin`;
      await slow.unsafe(early);
      await db.sql.unsafe(late);
      await read();
      await slow`commit`;
      await read();
    };
    const marked = (id: number) =>
      `update public.items set deleted_at = clock_timestamp() where id = ${id}`;
    let newest = '-infinity';
    const seen: number[] = [];
    await interleaved(marked(1), marked(2), async () => {
      const { data } = await asService
        .from('items')
        .select('id, deleted_at')
        .gt('deleted_at', newest)
        .order('deleted_at')
        .throwOnError();
      for (const { id, deleted_at } of data) {
        seen.push(id);
        newest = deleted_at;
      }
    });
    expect(seen).toEqual([2]);

    let after: string | null = null;
    const told: number[] = [];
    const removed = (id: number) => `select nightshift.soft_delete('public.products', '[${id}]')`;
    await interleaved(removed(1), removed(2), async () => {
      const { data } = await asService
        .schema('nightshift')
        .rpc('deleted_since', { relation: 'public.products', after })
        .throwOnError();
      told.push(...data.keys);
      after = data.after;
    });
    expect(told.toSorted()).toEqual([1, 2]);
  });
});

it('takes over a table that follows the guide, and leaves it again', async () => {
  const enable = `select nightshift.enable_soft_delete('public.items')`;
  const disable = `select nightshift.disable_soft_delete('public.items', deleted_rows => 'keep')`;
  const times = () => db.sql`select id, deleted_at from public.items order by id`;
  await markDeleted('items', 1).throwOnError();
  await markDeleted('items', 2).throwOnError();
  const before = await times();
  await db.sql.unsafe(enable);
  expect(await idsOf('active_items')).toEqual([]);
  expect(await times()).toEqual(before);
  await db.sql`select nightshift.restore('public.items', '[1]')`;
  await db.sql.unsafe(disable);
  expect(await times()).toEqual(
    before.map((row) => (row.id === 1 ? { ...row, deleted_at: null } : row)),
  );
});
