import { createClient } from '@supabase/supabase-js';
import { sign } from 'hono/jwt';
import { beforeAll, describe, expect, it } from 'vitest';
import { deadlineIn, isoTime, systemClock } from '../../functions/_shared/clock.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { loadJob } from '../../functions/registry.ts';
import { exampleSeeds, fillExamples } from '../../infra/local/examples.ts';
import { loadSeed } from '../../infra/local/seeds.ts';
import { setUpDatabase } from '../support/database.ts';

const db = setUpDatabase();
/** Ids of users: two coaches, a client of the first one, and the owner of products. */
let coach: string;
let otherCoach: string;
let client: string;
const owner = 'c0000000-0000-4000-8000-000000000001';

/** Two packages of the first coach that nobody subscribed to, and one of the other coach. */
let packages: string[];

beforeAll(async () => {
  for (const seed of exampleSeeds) await loadSeed(db.url, seed);
  await fillExamples(db.url, { users: 40, packages: 400, metrics: 500, products: 60 });
  [{ coach, client } = { coach: '', client: '' }] = await db.sql<
    { coach: string; client: string }[]
  >`select coach_id as coach, client_id as client from active_coach_clients order by id limit 1`;
  [{ id: otherCoach } = { id: '' }] = await db.sql<{ id: string }[]>`
    select id from users where role = 'coach' and id <> ${coach} order by id limit 1`;
  packages = (
    await db.sql<{ id: string }[]>`
      insert into professional_packages (coach_id, name)
      values (${coach}, 'First'), (${coach}, 'Second'), (${otherCoach}, 'Other') returning id`
  ).map(({ id }) => id);
  await db.sql`insert into "User" (id, "authId", email) values (900, ${owner}, 'owner@example.com')`;
});

async function signedIn(sub: string) {
  const gateway = await db.gateway();
  const token = await sign(
    { role: 'authenticated', sub, exp: Math.floor(systemClock.nowMs() / 1_000) + 600 },
    gateway.jwtSecret,
    'HS256',
  );
  return createClient(gateway.url, gateway.publishableKey, {
    auth: { persistSession: false },
    global: { headers: { authorization: `Bearer ${token}` } },
  });
}

type Client = Awaited<ReturnType<typeof signedIn>>;

async function named(as: Client, name: string, packageId: string) {
  const { data, error } = await as.rpc(name, { package_id: packageId });
  return error ? error.code : data.status;
}
const remove = (as: Client, id: string) => named(as, 'soft_delete_professional_package', id);
const restore = (as: Client, id: string) => named(as, 'restore_professional_package', id);

async function isSeen(as: Client, relation: string, id: string | number) {
  const { data, error } = await as.from(relation).select('id').eq('id', id);
  return error ? error.code : data.length === 1;
}

describe('the coaching app', () => {
  it('has six tables with views of what is active and what is deleted, and nothing left to do', async () => {
    const [row] = await db.sql`select nightshift.inspect_soft_delete() as tables`;
    const tables = row?.tables.filter(
      ({ columns }: { columns: { flag?: string } }) => !columns.flag,
    );
    expect(
      tables.map(({ relation, forUsers, missing }: Record<string, unknown>) => [
        relation,
        forUsers,
        missing,
      ]),
    ).toEqual([
      ['public.coach_clients', true, []],
      ['public.coach_plans', true, []],
      ['public.professional_package_subscriptions', false, []],
      ['public.professional_packages', true, []],
      ['public.user_targets', true, []],
      ['public.user_workouts', true, []],
    ]);
    for (const { relation } of tables) {
      const name = relation.slice('public.'.length);
      const [counts] = await db.sql.unsafe(`
        select (select count(*) from active_${name}) + (select count(*) from deleted_${name}) = count(*) as complete,
          count(*) > count(deleted_at) and count(deleted_at) > 0 as mixed
        from ${name}`);
      expect(counts, name).toEqual({ complete: true, mixed: true });
    }
  });

  it('lets a coach delete and restore a package by the named functions, with who did it', async () => {
    const as = await signedIn(coach);
    const [id = ''] = packages;
    expect(await remove(as, id)).toBe('deleted');
    expect(await remove(as, id)).toBe('already_deleted');
    expect(await isSeen(as, 'active_professional_packages', id)).toBe(false);
    expect(await isSeen(as, 'deleted_professional_packages', id)).toBe(true);
    expect(await isSeen(as, 'professional_packages', id)).toBe(true);
    expect(
      await db.sql`
        select deleted_by, deletion_id is not null as operation from professional_packages where id = ${id}`,
    ).toEqual([{ deleted_by: coach, operation: true }]);
    expect(await restore(as, id)).toBe('restored');
    expect(await restore(as, id)).toBe('not_deleted');
    expect(await isSeen(as, 'active_professional_packages', id)).toBe(true);
    expect(
      await db.sql`
        select action, actor from nightshift.deletion_events
        where relation_name = 'public.professional_packages' and keys = ${db.sql.json([id])} order by id`,
    ).toEqual([
      { action: 'delete', actor: coach },
      { action: 'restore', actor: coach },
    ]);
  });

  it("keeps a coach from another's package, and tells of what is deleted as of what never was", async () => {
    const as = await signedIn(coach);
    const other = await signedIn(otherCoach);
    const [, id = '', foreign = ''] = packages;
    const never = '00000000-0000-4000-8000-000000000000';
    expect(await remove(as, foreign)).toBe('not_allowed');
    expect(await restore(as, foreign)).toBe('not_allowed');
    expect(await remove(as, never)).toBe('not_found');
    expect(await remove(as, id)).toBe('deleted');
    expect(await remove(other, id)).toBe('not_found');
    expect(await restore(other, id)).toBe('not_found');
    expect(await isSeen(as, 'deleted_professional_packages', id)).toBe(true);
    expect(await restore(as, id)).toBe('restored');
  });

  it('can do both by plain updates, as the guide does, and they are accounted for as well', async () => {
    const as = await signedIn(coach);
    const [id = ''] = packages;
    const table = () => as.from('professional_packages');
    await table().update({ deleted_at: '2001-01-01T00:00:00Z' }).eq('id', id).throwOnError();
    expect(
      await db.sql`
        select deleted_by, deleted_at > now() - interval '1 day' as today from professional_packages where id = ${id}`,
    ).toEqual([{ deleted_by: coach, today: true }]);
    await table().update({ deleted_at: null }).eq('id', id).throwOnError();
    expect(await isSeen(as, 'active_professional_packages', id)).toBe(true);
  });

  it('lets a client leave a coach, and nobody delete what was billed', async () => {
    const as = await signedIn(client);
    const call = async (name: string, relation: string, key: string) => {
      const { data, error } = await as.schema('nightshift').rpc(name, { relation, keys: [key] });
      return error ? error.code : data;
    };
    const [relationship] = await db.sql`
      select id from active_coach_clients where coach_id = ${coach} and client_id = ${client}`;
    expect(await call('soft_delete', 'public.coach_clients', relationship?.id)).toMatchObject({
      deleted: 1,
    });
    expect(await isSeen(as, 'active_coach_clients', relationship?.id)).toBe(false);
    expect(await call('restore', 'public.coach_clients', relationship?.id)).toMatchObject({
      restored: 1,
    });
    const [subscription] =
      await db.sql`select id from active_professional_package_subscriptions limit 1`;
    expect(
      await call('soft_delete', 'public.professional_package_subscriptions', subscription?.id),
    ).toBe('NS403');
  });

  it('gives somebody who is not signed in nothing', async () => {
    const { url, publishableKey } = await db.gateway();
    const anon = createClient(url, publishableKey, { auth: { persistSession: false } });
    const [id = ''] = packages;
    for (const answer of [await remove(anon, id), await restore(anon, id)])
      expect(answer).toBe('42501');
    for (const view of ['active_professional_packages', 'deleted_professional_packages']) {
      expect(await isSeen(anon, view, id)).toBe('42501');
    }
  });
});

describe('the product catalog', () => {
  const daysAgo = (days: number) => isoTime(systemClock.nowMs() - days * 86_400_000);

  it('shows an owner what was deleted within 30 days, brings it back, and gives a sku free', async () => {
    const as = await signedIn(owner);
    await db.sql`
      insert into "Product" (id, "userId", sku, name, "isDeleted", "deletedAt") overriding system value values
        (9001, 900, 'A', 'Active', false, null),
        (9002, 900, 'B', 'Twenty', true, now() at time zone 'utc' - interval '20 days'),
        (9003, 900, 'C', 'Forty', true, now() at time zone 'utc' - interval '40 days')`;
    const bin = async () => {
      const { data } = await as
        .from('deleted_Product')
        .select('id')
        .gte('deletedAt', daysAgo(30))
        .order('deletedAt', { ascending: false })
        .throwOnError();
      return data?.map(({ id }) => id);
    };
    const call = async (name: string, keys: number[]) =>
      (
        await as
          .schema('nightshift')
          .rpc(name, { relation: 'public."Product"', keys })
          .throwOnError()
      ).data;
    expect(await bin()).toEqual([9002]);
    expect(await call('soft_delete', [9001])).toMatchObject({ deleted: 1 });
    expect(await bin()).toEqual([9001, 9002]);
    expect(await db.sql`select "isDeleted", deleted_by from "Product" where id = 9001`).toEqual([
      { isDeleted: true, deleted_by: owner },
    ]);

    await as.from('Product').insert({ userId: 900, sku: 'A', name: 'Again' }).throwOnError();
    expect(await call('restore', [9001])).toMatchObject({
      restored: 0,
      failed: [{ key: 9001, code: '23505' }],
    });
    expect(await call('restore', [9002])).toMatchObject({ restored: 1 });
    expect(await bin()).toEqual([9001]);
    const others =
      await db.sql`select count(*)::integer as n from "deleted_Product" where "userId" <> 900`;
    expect(others[0]?.n).toBeGreaterThan(0);
  });

  it('marks a product by its flag alone, and an asset likewise', async () => {
    const as = await signedIn(owner);
    const { data } = await as
      .from('Asset')
      .insert({ userId: 900, fileName: 'a.jpg', mimeType: 'image/jpeg', sizeBytes: 1 })
      .select('id')
      .single()
      .throwOnError();
    await as.from('Asset').update({ isDeleted: true }).eq('id', data?.id).throwOnError();
    expect(await isSeen(as, 'active_Asset', data?.id)).toBe(false);
    expect(await isSeen(as, 'deleted_Asset', data?.id)).toBe(true);
    await as.from('Asset').update({ isDeleted: false }).eq('id', data?.id).throwOnError();
    expect(await isSeen(as, 'active_Asset', data?.id)).toBe(true);
  });
});

describe('the purge of both', () => {
  it('still takes what is due, and nothing that can be restored', async () => {
    const remaining = () => db.sql`
      select
        (select count(*)::integer from "deleted_Product" where "deletedAt" > now() at time zone 'utc' - interval '30 days') as fresh,
        (select count(*)::integer from "deleted_Product" where "deletedAt" < now() at time zone 'utc' - interval '30 days') as due,
        (select count(*)::integer from "active_Product") as active`;
    const [before] = await remaining();
    expect(before?.due).toBeGreaterThan(0);
    const { url, secretKey } = await db.gateway();
    const deadline = deadlineIn(systemClock, 60_000);
    const { error } = await runJob(
      await loadJob('retention-purge'),
      { trigger: 'cli', input: {} },
      {
        rpc: createRpc({ url, secretKey }, deadline),
        clock: systemClock,
        deadline,
        log: silentLog,
        metrics: noMetrics,
      },
    );
    expect(error).toBeUndefined();
    expect(await remaining()).toEqual([{ ...before, due: 0 }]);
    const purged = await db.sql`
      select distinct relation_name from nightshift.deletion_events where action = 'purge' order by 1`;
    expect(purged.map(({ relation_name }) => relation_name)).toEqual(
      expect.arrayContaining(['public."Product"', 'public.professional_packages']),
    );
  });
});
