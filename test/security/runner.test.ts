import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import type { NightshiftError } from '../../functions/_shared/errors.ts';
import { startAnswer } from '../../functions/_shared/ledger.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc, type Rpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { loadJob } from '../../functions/registry.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { allIds, createLogs, dueLogs, letGracePass, partitionsOf } from '../support/partitions.ts';
import { auditDeletes, deletedIds } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';
import { asRunner } from '../support/runner.ts';
import { isCurrent, viewOf } from '../support/views.ts';

/** Tokens are signed with the JWT secret, which a real project may not give out. */
const anything = z.unknown();

const db = setUpDatabase();
let rpc: Rpc;
let runner: Awaited<ReturnType<typeof asRunner>>;
beforeAll(async () => {
  runner = await asRunner(await db.gateway());
  rpc = createRpc(runner, deadlineIn(systemClock, 60_000));
});
beforeEach(() => startAfresh(db.sql));

async function run(name: string, input: object = {}) {
  return runJob(
    await loadJob(name),
    { trigger: 'cli', input },
    {
      rpc,
      clock: systemClock,
      deadline: deadlineIn(systemClock, 20_000),
      log: silentLog,
      metrics: noMetrics,
    },
  );
}

/** 100 rows: the first 40 due, the rest soft-deleted too late for that. */
const orders = `
  create table app.orders (id integer primary key, deleted_at timestamptz);
  create index on app.orders (deleted_at);
  insert into app.orders select n, now() - case when n <= 40 then interval '40 days' else interval '3 days' end
  from generate_series(1, 100) n;
  analyze app.orders;`;
const ordersPolicy = `select nightshift.add_retention_policy('app.orders', '30 days');`;

describe('with a runner token', () => {
  it('a purge deletes what is due, and its triggers run', async () => {
    await db.sql.unsafe(`${orders} ${ordersPolicy}`);
    await auditDeletes(db.sql, 'app.orders');
    const { run: ended } = await run('retention-purge');
    expect(ended).toMatchObject({ status: 'succeeded', report: { rowsPurged: 40 } });
    expect(await deletedIds(db.sql)).toEqual(range(1, 40));
    expect(await idsOf(db.sql, 'app.orders')).toEqual(range(41, 100));
  });

  it('views are refreshed', async () => {
    await db.sql.unsafe(`${orders} ${viewOf('app.seen', 'select id from app.orders')}`);
    await db.sql`delete from app.orders where id > 90`;
    const { run: ended } = await run('view-refresh');
    expect(ended).toMatchObject({ status: 'succeeded', report: { viewsRefreshed: 1 } });
    expect(await isCurrent(db.sql, 'app.seen')).toBe(true);
  });

  it('partitions are made, filled from the default partition, retired, and dropped after their grace', async () => {
    const policy = `, retention => '8 days', retire => 'drop', max_fraction => 1`;
    await createLogs(db.sql, { withDefault: true, policy });
    const before = await allIds(db.sql);
    const first = await run('partition-maintenance');
    expect(first.run.report).toMatchObject({ rowsMoved: 30, partitionsRetired: 2 });
    expect(await allIds(db.sql)).toEqual(before);
    expect(Object.keys(await partitionsOf(db.sql, 'app.logs'))).not.toContain('logs_d10');

    await letGracePass(db.sql);
    const second = await run('partition-maintenance');
    expect(second.run.report).toMatchObject({ partitionsDropped: 2 });
    expect(await allIds(db.sql)).toHaveLength(before.length - 20);
  });

  it('the health is checked, and Nightshift is not taken for exposed', async () => {
    const { run: ended } = await run('health-check');
    expect(ended.status).toBe('succeeded');
    const health = await rpc.call(
      'get_health',
      { only_checks: ['nightshift_exposed'] },
      z.object({ checks: z.array(z.object({ name: z.string(), level: z.string() })) }),
    );
    expect(health.checks).toMatchObject([{ name: 'nightshift_exposed', level: 'ok' }]);
  });
});

async function begin(job: string, args: object = {}) {
  const { run } = await rpc.call('begin_run', { job, trigger: 'http', ...args }, startAnswer);
  return { run_id: run.id, fence: run.fence };
}

describe('a runner token makes nothing go that no policy lets go', () => {
  it('no row of a table without a policy', async () => {
    await db.sql.unsafe(orders);
    const lease = await begin('retention-purge');
    await expect(
      rpc.call('plan_retention_purge', { ...lease, only_relations: ['app.orders'] }, anything),
    ).rejects.toMatchObject({ code: 'NS404' });
    await rpc.call('plan_retention_purge', lease, anything);
    await expect(
      rpc.call('purge_batch', { ...lease, relation: 'app.orders', batch_rows: 1000 }, anything),
    ).rejects.toMatchObject({ code: 'NS404' });
    expect(await idsOf(db.sql, 'app.orders')).toHaveLength(100);
  });

  it('no row before its time, and not more than the brake allows', async () => {
    await db.sql.unsafe(`${orders} ${ordersPolicy}`);
    // The brake says nothing of tables under a thousand rows.
    await db.sql`insert into app.orders select n, now() from generate_series(101, 2000) n`;
    await run('retention-purge', { force: ['app.orders'] });
    expect(await idsOf(db.sql, 'app.orders')).toEqual(range(41, 2000));
    await db.sql`update app.orders set deleted_at = now() - interval '31 days' where id <= 1900`;
    const { error } = await run('retention-purge');
    expect(error).toMatchObject({ code: 'NS428' });
    expect(await idsOf(db.sql, 'app.orders')).toHaveLength(1960);
  });

  it('no partition before its grace is over, and none without a policy', async () => {
    await createLogs(db.sql, {
      policy: `, retention => '8 days', retire => 'drop', max_fraction => 1`,
    });
    await run('partition-maintenance');
    const lease = await begin('partition-maintenance');
    await rpc.call('plan_partition_maintenance', lease, anything);
    const kept = await rpc.call(
      'drop_retired_partitions',
      { ...lease, partitions: [...dueLogs, 'app.logs_d0', 'app.logs'] },
      anything,
    );
    const waiting = { outcome: 'kept', reason: 'it is not waiting to be dropped' };
    expect(kept).toMatchObject([
      { outcome: 'kept', reason: 'its grace period is not over' },
      { outcome: 'kept', reason: 'its grace period is not over' },
      waiting,
      waiting,
    ]);
    await db.sql.unsafe(`
      select nightshift.remove_partition_policy('app.logs');
      create table app.other (at date not null) partition by range (at);
      create table app.other_rest partition of app.other default`);
    const table = { ...lease, table_name: 'app.other' };
    const codeOf = (error: NightshiftError) => error.code;
    expect([
      await rpc.call('retire_partitions', table, anything).catch(codeOf),
      await rpc.call('begin_detach', table, anything).catch(codeOf),
      await rpc.call('finish_detach', { ...lease, partition: 'app.other_rest' }, anything),
    ]).toEqual(['NS404', 'NS404', { outcome: 'nothing' }]);
    const made = await rpc.call('create_partitions', { ...lease, tables: ['app.other'] }, anything);
    expect(made).toMatchObject([{ outcome: 'failed', error: { code: 'NS404' } }]);
    expect(Object.keys(await partitionsOf(db.sql, 'app.other'))).toEqual(['other_rest']);
  });

  it('and refreshes no view that has none', async () => {
    await db.sql.unsafe(
      `${orders} create materialized view app.seen as select id from app.orders with no data`,
    );
    const lease = await begin('view-refresh');
    await rpc.call('plan_view_refresh', lease, anything);
    await expect(
      rpc.call('refresh_view', { ...lease, view: 'app.seen', force: true }, anything),
    ).rejects.toMatchObject({ code: 'NS404' });
  });
});

describe('a runner token does not move the clock', () => {
  const refused = { code: 'NS422', message: expect.stringMatching(/cannot set the time of a run/) };

  it.each([
    ['a start in the future', { as_of: '2999-01-01T00:00:00Z' }],
    ['a start in the past', { as_of: '2001-01-01T00:00:00Z' }],
    ['a start at no time', { as_of: '-infinity' }],
    ['a lease of a year', { lease_seconds: 31_536_000 }],
  ])('by %s', async (_, args) => {
    await expect(begin('retention-purge', args)).rejects.toMatchObject(refused);
    await begin('retention-purge');
  });

  it('to take over the lease of another run, or to resume later', async () => {
    const lease = await begin('retention-purge');
    const future = { as_of: '2999-01-01T00:00:00Z' };
    await expect(begin('retention-purge', future)).rejects.toMatchObject(refused);
    await rpc.call('heartbeat_run', lease, anything);
    await rpc.call('finish_run', { ...lease, status: 'continued' }, anything);
    await expect(
      rpc.call('resume_run', { run_id: lease.run_id, attempt: 1, ...future }, anything),
    ).rejects.toMatchObject(refused);
  });

  it('anywhere else that takes a time, but to read', async () => {
    const timed = await db.sql<{ name: string }[]>`
      select p.proname as name from pg_proc p
      where p.pronamespace = 'nightshift'::regnamespace and has_function_privilege('nightshift_runner', p.oid, 'execute')
        and 'timestamptz'::regtype = any(p.proargtypes)
      order by 1`;
    const reading = [
      'describe_jobs',
      'describe_key_queries',
      'describe_trends',
      'get_health',
      'list_partition_policies',
      'list_refresh_policies',
      'list_retention_policies',
      'preview_retention_purge',
      'preview_table_vacuum',
    ] as const;
    expect(timed.map(({ name }) => name)).toEqual(
      ['begin_run', ...reading, 'resume_run'].toSorted(),
    );
    // A transaction that may not write is proof enough.
    await db.sql.begin('read only', async (transaction) => {
      await transaction`set local role nightshift_runner`;
      for (const name of reading) {
        await transaction.unsafe(`select nightshift.${name}(as_of => now() + interval '10 years')`);
      }
    });
  });
});

describe('a runner token reaches nothing else', () => {
  const send = (method: string, path: string, schema: string, body?: object) =>
    fetch(`${runner.url}/rest/v1/${path}`, {
      method,
      headers: {
        apikey: runner.publishableKey,
        authorization: `Bearer ${runner.runnerToken}`,
        'content-type': 'application/json',
        'accept-profile': schema,
        'content-profile': schema,
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });

  it('no table or view, of Nightshift or of the application', async () => {
    const relations = await db.sql<
      { schema: string; name: string; column: string; part: boolean }[]
    >`
      select distinct on (c.oid) n.nspname as schema, c.relname as name, a.attname as column, c.relispartition as part
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and a.attidentity = '' and a.attgenerated = ''
      where n.nspname in ('public', 'nightshift') and c.relkind in ('r', 'p', 'v', 'm')`;
    expect(relations.length).toBeGreaterThan(5);
    for (const { schema, name, column, part } of relations) {
      const statuses = [
        await send('GET', name, schema),
        await send('POST', name, schema, { [column]: null }),
        await send('PATCH', `${name}?${column}=not.is.null`, schema, { [column]: null }),
        await send('DELETE', `${name}?${column}=not.is.null`, schema),
      ].map(({ status }) => status);
      // PostgREST knows no partitions.
      const refused = part ? 404 : 403;
      expect(statuses, `${schema}.${name}`).toEqual([refused, refused, refused, refused]);
    }
  });

  it('no other schema', async () => {
    for (const schema of ['app', 'auth', 'extensions', 'pg_catalog', 'supabase_migrations']) {
      expect((await send('GET', 'users', schema)).status).toBe(406);
    }
  });

  it('no function that is for people', async () => {
    await db.sql.unsafe(orders);
    for (const [name, args] of [
      ['add_retention_policy', { relation: 'app.orders', drop_after: '1 day' }],
      ['alter_retention_policy', { relation: 'app.orders', enabled: false }],
      [
        'settle_reference',
        { relation: 'app.orders', reference: 'app.items', role: 'with_children' },
      ],
      ['remove_retention_policy', { relation: 'app.orders' }],
      ['pause', { reason: 'x' }],
      ['unpause', {}],
      ['set_health_threshold', { check_name: 'backlog_age', critical: 1e9 }],
      ['restore', { relation: 'app.orders', keys: [1] }],
      ['hold_run', { run_id: crypto.randomUUID(), fence: 1 }],
    ] as const) {
      const answer = await send('POST', `rpc/${name}`, 'nightshift', args);
      expect([name, answer.status]).toEqual([name, 403]);
    }
  });
});
