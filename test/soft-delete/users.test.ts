import { createClient } from '@supabase/supabase-js';
import { sign } from 'hono/jwt';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../functions/_shared/clock.ts';
import { setUpDatabase } from '../support/database.ts';

const [ann, bob] = ['a0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000002'];

const db = setUpDatabase();
let as: Record<'ann' | 'bob' | 'anon' | 'service', ReturnType<typeof connect>>;

beforeAll(async () => {
  await db.sql.unsafe(`
    create table public.notes (id integer primary key, owner uuid not null, body text not null default 'x', deleted_at timestamptz);
    create table public.pages (id integer primary key, note_id integer references public.notes, owner uuid not null);
    create table public.plain (id integer primary key);
    alter table public.notes enable row level security;
    alter table public.pages enable row level security;
    create policy own on public.notes to authenticated using (owner = (current_setting('request.jwt.claims')::jsonb ->> 'sub')::uuid);
    create policy own on public.pages to authenticated using (owner = (current_setting('request.jwt.claims')::jsonb ->> 'sub')::uuid);
    grant select, insert, update on public.notes, public.pages, public.plain to authenticated, service_role;
    grant select on public.notes to anon;
    select nightshift.enable_soft_delete('public.pages', for_users => true, hide => true);
    select nightshift.enable_soft_delete('public.notes', for_users => true, hide => true, cascade => array['public.pages']);
    select nightshift.enable_soft_delete('public.plain');
  `);
  const gateway = await db.gateway();
  const token = (sub: string) =>
    sign(
      { role: 'authenticated', sub, exp: Math.floor(systemClock.nowMs() / 1_000) + 600 },
      gateway.jwtSecret,
      'HS256',
    );
  as = {
    ann: connect(gateway.url, gateway.publishableKey, await token(ann)),
    bob: connect(gateway.url, gateway.publishableKey, await token(bob)),
    anon: connect(gateway.url, gateway.publishableKey),
    service: connect(gateway.url, gateway.secretKey),
  };
});

beforeEach(async () => {
  await db.sql.unsafe(`
    truncate public.notes, public.pages, public.plain, nightshift.deletion_events;
    insert into public.notes (id, owner) select n, case when n <= 5 then '${ann}' else '${bob}' end::uuid from generate_series(1, 10) n;
    insert into public.pages (id, note_id, owner) select n, n, case when n <= 5 then '${ann}' else '${bob}' end::uuid from generate_series(1, 10) n;
    insert into public.plain values (1);
  `);
});

function connect(url: string, key: string, token?: string) {
  const client = createClient(url, key, {
    auth: { persistSession: false },
    ...(token ? { global: { headers: { authorization: `Bearer ${token}` } } } : {}),
  });
  return {
    client,
    async call(name: string, input: object) {
      const { data, error } = await client.schema('nightshift').rpc(name, input);
      return error ? { code: error.code, message: error.message } : data;
    },
    async ids(relation: string) {
      const { data, error } = await client.from(relation).select('id').order('id');
      return error ? error.code : data.map(({ id }) => id);
    },
  };
}

const notes = (where: string) =>
  db.sql.unsafe(
    `select id, deleted_by, deletion_reason from public.notes where ${where} order by id`,
  );
const events = () =>
  db.sql`select action, relation_name, keys, actor, reason from nightshift.deletion_events order by id`;

describe('a user', () => {
  it('deletes and restores rows of their own, with what belongs to them, and no others', async () => {
    const answer = await as.ann.call('soft_delete', {
      relation: 'public.notes',
      keys: [1, 2, 6],
      reason: 'old',
    });
    expect(answer).toMatchObject({
      deleted: 2,
      alreadyDeleted: 0,
      notFound: 1,
      cascaded: { 'public.pages': 2 },
    });
    expect(await notes('deleted_at is not null')).toEqual([
      { id: 1, deleted_by: ann, deletion_reason: 'old' },
      { id: 2, deleted_by: ann, deletion_reason: 'old' },
    ]);
    expect(await as.ann.ids('notes')).toEqual([3, 4, 5]);
    expect(await as.ann.ids('active_notes')).toEqual([3, 4, 5]);
    expect(await as.ann.ids('pages')).toEqual([3, 4, 5]);
    expect(await as.bob.ids('active_notes')).toEqual([6, 7, 8, 9, 10]);
    expect(await as.bob.call('restore', { relation: 'public.notes', keys: [1, 2] })).toMatchObject({
      restored: 0,
      notFound: 2,
    });
    expect(await as.bob.call('restore_operation', { operation: answer.operation })).toMatchObject({
      restored: {},
    });
    expect(
      await as.ann.call('restore_operation', { operation: answer.operation, reason: 'mine' }),
    ).toMatchObject({
      restored: { 'public.notes': 2, 'public.pages': 2 },
      failed: [],
      after: null,
    });
    expect(await as.ann.ids('pages')).toEqual([1, 2, 3, 4, 5]);
    expect(await events()).toEqual([
      { action: 'delete', relation_name: 'public.notes', keys: [1, 2], actor: ann, reason: 'old' },
      { action: 'delete', relation_name: 'public.pages', keys: [1, 2], actor: ann, reason: 'old' },
      {
        action: 'restore',
        relation_name: 'public.notes',
        keys: [1, 2],
        actor: ann,
        reason: 'mine',
      },
      {
        action: 'restore',
        relation_name: 'public.pages',
        keys: [1, 2],
        actor: ann,
        reason: 'mine',
      },
    ]);
  });

  it("does so in nobody else's name, and learns nothing of rows of others", async () => {
    const inName = { relation: 'public.notes', keys: [1], deleted_by: bob };
    expect(await as.ann.call('soft_delete', inName)).toMatchObject({ code: 'NS403' });
    expect(
      await as.ann.call('restore', { relation: 'public.notes', keys: [1], restored_by: bob }),
    ).toMatchObject({ code: 'NS403' });
    const missing = await as.ann.call('soft_delete', { relation: 'public.notes', keys: [99] });
    const foreign = await as.ann.call('soft_delete', { relation: 'public.notes', keys: [6] });
    expect(foreign).toEqual(missing);
    expect(foreign).toMatchObject({ code: 'NS404' });
    expect(await notes('deleted_at is not null')).toEqual([]);
  });

  it('is told of a row that is deleted already, which keeps who deleted it first', async () => {
    await as.service.call('soft_delete', {
      relation: 'public.notes',
      keys: [1],
      deleted_by: 'job',
    });
    expect(await as.ann.call('soft_delete', { relation: 'public.notes', keys: [1] })).toMatchObject(
      {
        code: 'NS409',
      },
    );
    expect(
      await as.ann.call('soft_delete', { relation: 'public.notes', keys: [1, 2] }),
    ).toMatchObject({ deleted: 1, alreadyDeleted: 1 });
    expect(await notes('id = 1')).toEqual([{ id: 1, deleted_by: 'job', deletion_reason: null }]);
  });

  it.each(['representation', 'minimal'])(
    'deletes by a plain update with return=%s, at the time of the server and in their own name',
    async (returning) => {
      const update = as.ann.client
        .from('notes')
        .update({ deleted_at: '2001-01-01T00:00:00Z', deleted_by: bob, deletion_reason: 'plain' })
        .in('id', [1, 2, 6]);
      const { data, error } = await (returning === 'minimal' ? update : update.select('id'));
      expect(error).toBeNull();
      expect(data).toEqual(returning === 'minimal' ? null : [{ id: 1 }, { id: 2 }]);
      expect(await as.ann.ids('notes')).toEqual([3, 4, 5]);
      expect(await notes(`deleted_at > now() - interval '1 minute'`)).toEqual([
        { id: 1, deleted_by: ann, deletion_reason: 'plain' },
        { id: 2, deleted_by: ann, deletion_reason: 'plain' },
      ]);
      const [{ operation } = { operation: '' }] = await db.sql<{ operation: string }[]>`
        select distinct deletion_id as operation from public.notes where deleted_at is not null`;
      expect(await as.ann.call('restore_operation', { operation })).toMatchObject({
        restored: { 'public.notes': 2 },
      });
      expect((await events()).map(({ action, keys, actor }) => ({ action, keys, actor }))).toEqual([
        { action: 'delete', keys: [1, 2], actor: ann },
        { action: 'restore', keys: [1, 2], actor: ann },
      ]);
    },
  );

  it('forges no operation, user or time by a plain update', async () => {
    const operation = '00000000-0001-7000-8000-000000000000';
    await as.ann.client
      .from('notes')
      .update({ deleted_at: '2001-01-01', deleted_by: bob, deletion_id: operation })
      .eq('id', 1);
    const rows = await db.sql`
      select deleted_by, deletion_id = ${operation} as forged, deleted_at = nightshift.operation_time(deletion_id) as "inTime"
      from public.notes where id = 1`;
    expect(rows).toEqual([{ deleted_by: ann, forged: false, inTime: true }]);
    expect(
      await as.ann.call('soft_delete', { relation: 'public.notes', keys: [2], operation }),
    ).toMatchObject({ code: 'NS422' });
  });

  it('restores what a row belongs to, hidden as it is', async () => {
    await as.ann.call('soft_delete', { relation: 'public.notes', keys: [1] });
    const page = { relation: 'public.pages', keys: [1] };
    expect(await as.ann.call('restore', page)).toMatchObject({
      restored: 0,
      failed: [{ code: 'NS409' }],
    });
    const withParents = { ...page, on_conflict: 'restore_parents', reason: 'both' };
    expect(await as.ann.call('restore', withParents)).toMatchObject({ restored: 1, parents: 1 });
    expect(await as.ann.ids('notes')).toEqual([1, 2, 3, 4, 5]);
    expect((await events()).slice(-2)).toEqual(
      ['notes', 'pages'].map((table) => ({
        action: 'restore',
        relation_name: `public.${table}`,
        keys: [1],
        actor: ann,
        reason: 'both',
      })),
    );
  });

  it('has nothing executed by what the calls are made of', async () => {
    const rules = {
      relation: 'public.notes',
      source: 'public.notes',
      key_object: `query_to_xml('select set_config(''role'', ''service_role'', false)', false, false, '')::text::jsonb`,
      key_definition: 'id integer',
      key_match: 'true',
      key_order: '1',
      deleted: 'true',
    };
    for (const keys of [
      { rules, keys: [], row_lock: 'update' },
      { rules, keys: [] },
    ]) {
      for (const name of ['find_rows', 'keys_asked']) {
        expect((await as.ann.call(name, keys)).code, name).toMatch(/^PGRST20/);
      }
    }
  });

  it('may call nothing for a table that is not for users, and nothing else of Nightshift', async () => {
    const plain = { relation: 'public.plain', keys: [1] };
    expect(await as.ann.call('soft_delete', plain)).toMatchObject({ code: 'NS403' });
    expect(await as.ann.call('restore', plain)).toMatchObject({ code: 'NS403' });
    for (const [name, input] of [
      ['enable_soft_delete', { relation: 'public.plain', for_users: true }],
      ['disable_soft_delete', { relation: 'public.plain' }],
      ['inspect_soft_delete', {}],
      ['list_runs', {}],
    ] as const) {
      expect(await as.ann.call(name, input), name).toMatchObject({ code: '42501' });
    }
    const forged = {
      relation: 'public.notes',
      actor: bob,
      reason: '',
      failed: [{ key: 1, code: '23505' }],
    };
    expect(await as.ann.call('record_failed_restores', forged)).toBeNull();
    expect(await events()).toEqual([]);
  });
});

it('lets anon call nothing', async () => {
  for (const name of ['soft_delete', 'restore', 'soft_delete_rules', 'keys_asked']) {
    expect(await as.anon.call(name, { relation: 'public.notes', keys: [1] }), name).toMatchObject({
      code: expect.stringMatching(/42501|PGRST202/),
    });
  }
});

it('takes the calls from users when the last table for them is taken back', async () => {
  const may = () =>
    db.sql`select has_function_privilege('authenticated', 'nightshift.restore(regclass, jsonb, text, text, text, jsonb)', 'execute') as may`;
  expect(await may()).toEqual([{ may: true }]);
  await db.sql`select nightshift.enable_soft_delete('public.notes', for_users => false)`;
  expect(await may()).toEqual([{ may: true }]);
  await db.sql`select nightshift.enable_soft_delete('public.pages', for_users => false)`;
  expect(await may()).toEqual([{ may: false }]);
  expect(
    await db.sql`select has_schema_privilege('authenticated', 'nightshift', 'usage') as may`,
  ).toEqual([{ may: false }]);
});
