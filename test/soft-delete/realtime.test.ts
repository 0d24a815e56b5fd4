import { createClient } from '@supabase/supabase-js';
import { sign } from 'hono/jwt';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../functions/_shared/clock.ts';
import { setUpDatabase } from '../support/database.ts';

const db = setUpDatabase();
const ann = 'a0000000-0000-4000-8000-000000000001';

/** With the signature of Supabase's own, whose messages go into a table as well. */
const sendBy = (body: string) => `
  create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
  language plpgsql as $$ begin ${body} end $$;`;
const standIn = sendBy(
  'insert into realtime.messages (topic, event, payload, private) values (topic, event, payload, private);',
);

const stranger = 'stranger_to_realtime';

beforeAll(async () => {
  await db.sql.unsafe(`
    create role ${stranger};
    create schema realtime;
    create table realtime.messages (id bigint generated always as identity, topic text, event text, payload jsonb, private boolean);
    alter table realtime.messages enable row level security;
    create table public.orders (id integer primary key, owner uuid not null default '${ann}', sku text, deleted_at timestamptz);
    create table public.lines (id integer primary key, order_id integer references public.orders);
    alter table public.orders enable row level security;
    create policy own on public.orders to authenticated using (owner = (current_setting('request.jwt.claims')::jsonb ->> 'sub')::uuid);
    grant select, insert, update on public.orders, public.lines to authenticated, service_role;
    select nightshift.enable_soft_delete('public.lines', for_users => true);
    select nightshift.enable_soft_delete('public.orders', for_users => true, hide => true, cascade => array['public.lines'],
      unique_among_active => array['sku']);
  `);
});

afterAll(() => db.sql.unsafe(`drop owned by ${stranger}; drop role ${stranger}`));

beforeEach(async () => {
  await db.sql.unsafe(`
    ${standIn}
    truncate public.orders, public.lines, nightshift.deletion_events, realtime.messages restart identity;
    insert into public.orders (id, sku) select n, 'S' || n from generate_series(1, 5) n;
    insert into public.lines select 10 * o.id + n, o.id from public.orders o, generate_series(1, 2) n;
    select nightshift.enable_soft_delete('public.orders', realtime => true);
    select nightshift.enable_soft_delete('public.lines', realtime => true);
  `);
});

async function call(expression: string) {
  const [row] = await db.sql.unsafe(`select nightshift.${expression} as answer`);
  return row?.answer;
}
const messages = () =>
  db.sql`select topic, event, payload, private from realtime.messages order by id`;
const message = (event: string, payload: object, table = 'public.orders') => ({
  topic: `nightshift:${table}`,
  event,
  payload: { relation: table, ...payload },
  private: true,
});

describe('subscribers are told', () => {
  it('of a deletion and of its restore, once each, by tables, counts and keys', async () => {
    const { operation } = await call(`soft_delete('public.orders', '[1, 2]')`);
    await call(`restore_operation('${operation}')`);
    const rows = { 'public.orders': 2, 'public.lines': 4 };
    expect(await messages()).toEqual([
      message('delete', { operation, rows, keys: [1, 2] }),
      message('restore', { operation, rows, keys: [1, 2] }),
    ]);
  });

  it('of what a condition, keys, a moment and a new value bring about', async () => {
    await call(
      `soft_delete_where('public.orders', '[{"column": "id", "operator": "lte", "value": 2}]')`,
    );
    await call(`restore('public.orders', '[1]')`);
    await call(`restore_since('public.lines', now() - interval '1 hour')`);
    await call(`put_active('public.orders', '{"sku": "S2"}', 'sku', 'revive')`);
    expect(
      (await messages()).map(({ event, topic, payload }) => [event, topic, payload.keys]),
    ).toEqual([
      ['delete', 'nightshift:public.orders', [1, 2]],
      ['restore', 'nightshift:public.orders', [1]],
      ['restore', 'nightshift:public.lines', [11, 12]],
      ['restore', 'nightshift:public.orders', [2]],
    ]);
  });

  it('of plain updates, and of each of several calls of a transaction by itself', async () => {
    await db.sql.begin(async (sql) => {
      await sql`update public.orders set deleted_at = now() where id in (3, 4)`;
      await sql`select nightshift.soft_delete('public.lines', '[11]')`;
      await sql`update public.orders set deleted_at = null where id = 4`;
    });
    expect(
      (await messages()).map(({ event, topic, payload }) => [event, topic, payload.keys]),
    ).toEqual([
      ['delete', 'nightshift:public.orders', [3, 4]],
      ['delete', 'nightshift:public.lines', [11]],
      ['restore', 'nightshift:public.orders', [4]],
    ]);
  });

  it('of what a restore brings back and of what gives way to it, each once', async () => {
    await call(`soft_delete('public.orders', '[1]')`);
    await db.sql`insert into public.orders (id, sku) values (9, 'S1')`;
    await db.sql`truncate realtime.messages`;
    await call(`restore('public.orders', '[1]', 'replace')`);
    expect((await messages()).map(({ event, payload }) => [event, payload.rows]).sort()).toEqual([
      ['delete', { 'public.orders': 1 }],
      ['restore', { 'public.orders': 1 }],
    ]);
  });

  it('of many rows by a hundred keys', async () => {
    await db.sql`insert into public.orders (id) select n from generate_series(1001, 1300) n`;
    await call(
      `soft_delete_where('public.orders', '[{"column": "id", "operator": "gt", "value": 1000}]')`,
    );
    const [sent] = await messages();
    expect(sent?.payload.rows).toEqual({ 'public.orders': 300 });
    expect(sent?.payload.keys).toEqual(Array.from({ length: 100 }, (_, n) => 1001 + n));
  });

  it('by a user, who can announce nothing that did not happen', async () => {
    const gateway = await db.gateway();
    const exp = Math.floor(systemClock.nowMs() / 1_000) + 600;
    const token = await sign({ role: 'authenticated', sub: ann, exp }, gateway.jwtSecret, 'HS256');
    const api = createClient(gateway.url, gateway.publishableKey, {
      auth: { persistSession: false },
      global: { headers: { authorization: `Bearer ${token}` } },
    }).schema('nightshift');
    const given = { relation: 'public.orders' };
    await api.rpc('announce_changes', given).throwOnError();
    expect(await messages()).toEqual([]);
    await api.rpc('soft_delete', { ...given, keys: [5] }).throwOnError();
    expect((await messages()).map(({ payload }) => payload.keys)).toEqual([[5]]);
  });
});

describe('nobody is told', () => {
  it('of a table that is without it, which is the default', async () => {
    await call(`enable_soft_delete('public.orders', realtime => false)`);
    await call(`soft_delete('public.orders', '[1]')`);
    await db.sql`update public.orders set deleted_at = now() where id = 2`;
    expect(await messages()).toEqual([]);
    const [table] = await call(`inspect_soft_delete('public.orders')`);
    expect(table.realtime).toBe(false);
  });

  it('of a deletion that is undone', async () => {
    await db.sql
      .begin(async (sql) => {
        await sql`select nightshift.soft_delete('public.orders', '[1]')`;
        throw new Error('undone');
      })
      .catch(() => {});
    expect(await messages()).toEqual([]);
  });
});

describe('rows are deleted and restored all the same', () => {
  it.each([
    ['realtime.send is not there', 'drop function realtime.send'],
    ['it fails', sendBy(`raise exception 'no partition' using errcode = '23514';`)],
    [
      'it fails with a code of its own',
      sendBy(`raise exception 'closed' using errcode = 'RT500';`),
    ],
    ['a lock is in its way', sendBy(`raise exception 'locked' using errcode = '55P03';`)],
    [
      'it belongs to somebody else, who would have the rights of Nightshift',
      `grant usage, create on schema realtime to ${stranger};
       alter function realtime.send owner to ${stranger}`,
    ],
  ])('where %s', async (_, statement) => {
    await db.sql.unsafe(statement);
    const { operation, deleted } = await call(`soft_delete('public.orders', '[1]')`);
    expect(deleted).toBe(1);
    expect(await call(`restore_operation('${operation}')`)).toMatchObject({ failed: [] });
    expect(await messages()).toEqual([]);
    await db.sql`drop function if exists realtime.send`;
  });

  it('but not where Postgres wants the whole transaction to end', async () => {
    await db.sql.unsafe(sendBy(`raise exception 'deadlock' using errcode = '40P01';`));
    await expect(call(`soft_delete('public.orders', '[1]')`)).rejects.toMatchObject({
      code: '40P01',
    });
    expect(await db.sql`select from public.deleted_orders`).toEqual([]);
  });
});
