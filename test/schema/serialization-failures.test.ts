import { createClient } from '@supabase/supabase-js';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Direct } from '../../functions/_shared/direct.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { endless } from '../support/deadline.ts';
import { withDirect } from '../support/direct.ts';
import { behindCalls, callsOverTheApi } from '../support/every-call.ts';
import {
  createLogs,
  letGracePass,
  runMaintenance,
  stepOf as setOf,
} from '../support/partitions.ts';
import { runPurge, stepOf } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';
import { recordUsual, runRefresh } from '../support/views.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();

/**
 * Counts, whatever becomes of the transaction, and raises 40001 with a text that must not be seen. An autovacuum, which looks at
 * the tables whenever it likes, has no name and does not count.
 */
const conflict = `
  if current_setting('application_name') <> '' then perform nextval('app.raised'); end if;
  raise exception using errcode = '40001', message = 'conflict of someone@example.org';`;

beforeEach(async () => {
  await db.sql`drop event trigger if exists conflict`;
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    create sequence app.raised;
    grant usage on sequence app.raised to service_role;
    create function app.conflict() returns trigger language plpgsql as $$ begin ${conflict} end $$;
  `);
});

async function timesRaised(): Promise<number> {
  const [row] =
    await db.sql`select case when is_called then last_value else 0 end as n from app.raised`;
  return Number(row?.n);
}

async function apiClient() {
  const { url, secretKey } = await db.gateway();
  return createClient(url, secretKey, {
    db: { schema: 'nightshift' },
    auth: { persistSession: false },
  });
}

const createItems = (count: number) =>
  db.sql.unsafe(`
    create table app.items (id integer primary key, deleted_at timestamptz);
    insert into app.items select id, now() - interval '40 days' from generate_series(1, ${count}) id;
    create index on app.items (deleted_at);
    select nightshift.add_retention_policy('app.items', '30 days', max_fraction => 1);
  `);

const letServiceRoleWrite = () =>
  db.sql.unsafe(`
    grant usage on schema app to service_role;
    grant all on all tables in schema app to service_role;
  `);

/** An event trigger of the application that raises 40001 at these commands. */
const refuseCommands = (...tags: string[]) =>
  db.sql.unsafe(`
    create function app.conflict_of_ddl() returns event_trigger language plpgsql as $$ begin ${conflict} end $$;
    create event trigger conflict on ddl_command_start when tag in (${tags.map((tag) => `'${tag}'`)})
    execute function app.conflict_of_ddl();
  `);

/** From here on, what Postgres executes to plan a query of these tables raises 40001. */
const refusePlanning = () =>
  db.sql.unsafe(`
    create or replace function app.fine() returns boolean immutable language plpgsql as $$ begin ${conflict} end $$`);

describe('the local gateway', () => {
  it('begins a transaction again that ends in a serialization failure, as PostgREST does', async () => {
    await db.sql`create trigger conflict before insert on nightshift.runs execute function app.conflict()`;
    const client = await apiClient();
    const { error } = await client.rpc('begin_run', { job: 'retention-purge', trigger: 'cli' });
    await db.sql`drop trigger conflict on nightshift.runs`;
    expect(error).toMatchObject({ code: '40001' });
    expect(await timesRaised()).toBe(101);
  });
});

/** Of these, what becomes of 40001 in what they execute. */
const settled: Record<string, string> = {
  run_health_check: 'catches whatever a check raises',
  set_health_threshold: 'catches whatever a check raises',
  declared_since: 'reads policies, which are ours',
  cron_jobs: 'reads what pg_cron keeps',
  http_post: 'calls pg_net',
  http_answer: 'reads what pg_net keeps',
};

/**
 * What the handlers of a PL/pgSQL function miss: its declarations, and all of it where its outermost block has no handler. The
 * body is without strings and comments.
 */
function outOfReach(body: string): string {
  const [declarations = ''] = body.split(/\bbegin\b/, 1);
  let depth = 0;
  const words =
    /\bend\s+(?:if|loop|case)\b|\bexception(?=\s+when\b)|\b(?:begin|if|loop|case|end)\b/g;
  for (const { 0: word, index } of body.matchAll(words)) {
    if (word !== 'exception') depth += word.startsWith('end') ? -1 : 1;
    else if (depth === 1 && /when serialization_failure then/.test(body.slice(index))) {
      return declarations;
    }
  }
  return body;
}

describe('whatever is called over the API', () => {
  it.each([
    ['begin if b then perform f(); end if; end;', 'all'],
    [
      'begin begin perform f(); exception when serialization_failure then null; end; perform g(); end;',
      'all',
    ],
    ['begin perform f(); exception when others then null; end;', 'all'],
    ['begin raise exception using message = m; end;', 'all'],
    [
      'declare n integer := f(); begin for i in 1..2 loop begin n := case when b then 1 end; exception when others then null; end; end loop; exception when serialization_failure then perform h(); end;',
      'declare n integer := f(); ',
    ],
  ])('is out of reach of its handlers, of %j: %s', (body, missed) => {
    expect(outOfReach(body)).toBe(missed === 'all' ? body : missed);
  });

  it('translates serialization failures when it, or what it calls, executes anything on tables', async () => {
    const functions = await db.sql<{ name: string; body: string; callable: boolean }[]>`
      select p.proname as name, regexp_replace(p.prosrc, '--[^\n]*|''(?:[^'']|'''')*''', '', 'g') as body,
        has_function_privilege('service_role', p.oid, 'execute') as callable
      from pg_proc p where p.pronamespace = 'nightshift'::regnamespace`;
    const bodies = new Map(functions.map(({ name, body }) => [name, body]));
    const executes = (name: string, seen = new Set<string>()): boolean => {
      if (name in settled || seen.has(name)) return false;
      seen.add(name);
      return hasExecuted(bodies.get(name) ?? '', seen);
    };
    const hasExecuted = (body: string, seen = new Set<string>()): boolean => {
      const called = [...body.matchAll(/\bnightshift\.(\w+)\(/g)].map(([, callee = '']) => callee);
      return /\bexecute\b/.test(body) || called.some((callee) => executes(callee, seen));
    };
    const executing = functions.filter(({ name, callable }) => callable && executes(name));
    expect(executing.length).toBeGreaterThan(10);
    const silent = executing.filter(({ body }) => hasExecuted(outOfReach(body)));
    expect(silent.map(({ name }) => name)).toEqual([]);
  });

  it.each([
    [
      'what is executed to plan a query',
      refusePlanning,
      [
        'measure_retention_backlog',
        'measure_retention_backlogs',
        'measure_retention_rest',
        'preview_retention_purge',
        'purge_batch',
        'measure_default_partition',
        'exclude_from_default',
        'create_partitions',
        'preview_retirement',
        'begin_detach',
        'retire_partitions',
        'reattach_partition',
        'refresh_view',
        'check_health',
        'get_health',
        'soft_delete',
        'soft_delete_where',
        'plan_delete',
        'restore',
        'restore_operation',
        'restore_since',
        'plan_restore',
        'put_active',
        'deletion_stats',
        'list_retention_policies',
        'list_partition_policies',
        'add_retention_policy',
        'alter_retention_policy',
        'settle_reference',
        'set_health_threshold',
      ],
    ],
    [
      'an event trigger',
      () =>
        refuseCommands('CREATE TABLE', 'ALTER TABLE', 'DROP TABLE', 'REFRESH MATERIALIZED VIEW'),
      [
        'exclude_from_default',
        'create_partitions',
        'retire_partitions',
        'finish_detach',
        'drop_retired_partitions',
        'reattach_partition',
        'refresh_view',
      ],
    ],
  ])('lets no serialization failure of %s out', async (_, refuse, reaching) => {
    await createItems(10);
    await createLogs(db.sql, {
      policy: ", retention => '8 days', retire => 'drop', max_fraction => 1",
      withDefault: true,
    });
    await runMaintenance(db);
    await letGracePass(db.sql);
    await db.sql.unsafe(`
      create function app.fine() returns boolean immutable language plpgsql as $$ begin return true; end $$;
      select nightshift.enable_soft_delete('app.items');
      create index on app.items (id) where app.fine();
      create index on app.logs (id) where app.fine();
      create table app.others (id integer primary key, deleted_at timestamptz);
      create index on app.others (deleted_at) where app.fine();
      create table app.notes (id bigint, at timestamptz, foreign key (id, at) references app.logs);
      create index on app.notes (id, at) where app.fine();
      create materialized view app.totals as select count(*) from app.items where app.fine();
      select nightshift.add_refresh_policy('app.totals', allow_blocking => true);
      select nightshift.alter_partition_policy('app.logs', retention => '3 days', premake => 10);
      -- As if it had been detached over the direct connection, and not stamped yet.
      alter table app.logs_d10 drop constraint nightshift_retired, add check (at is not null);
      update nightshift.retired_partitions set status = 'detaching' where partition_name = 'app.logs_d10';
    `);
    await letServiceRoleWrite();
    const client = await apiClient();
    const leases = new Map<string, object>();
    for (const job of [
      'retention-purge',
      'partition-maintenance',
      'view-refresh',
      'table-vacuum',
      'health-check',
    ]) {
      const { data } = await client.rpc('begin_run', { job, trigger: 'cli', lease_seconds: 600 });
      leases.set(job, { run_id: data.run.id, fence: data.run.fence });
    }
    await refuse();

    const calls = callsOverTheApi((job) => leases.get(job) ?? {});
    const callable = await db.sql<{ name: string }[]>`
      select p.proname as name from pg_proc p
      where p.pronamespace = 'nightshift'::regnamespace and has_function_privilege('service_role', p.oid, 'execute')`;
    expect([...Object.keys(calls), ...behindCalls].toSorted()).toEqual(
      callable.map(({ name }) => name).toSorted(),
    );
    const raised = new Map<string, number>();
    for (const [name, args] of Object.entries(calls)) {
      const before = await timesRaised();
      const { error } = await client.rpc(name, args);
      expect(error?.code ?? '', name).not.toMatch(/^(40001|PGRST202)$/);
      expect(JSON.stringify(error ?? ''), name).not.toContain('example.org');
      const times = (await timesRaised()) - before;
      if (times > 0) raised.set(name, times);
    }
    expect([...raised.keys()]).toEqual(reaching);
    expect(Math.max(...raised.values())).toBeLessThanOrEqual(3);
  });
});

describe('a serialization failure', () => {
  it.each([
    ['trigger', 'before delete on app.items for each row'],
    ['constraint trigger', 'after delete on app.items deferrable initially deferred for each row'],
  ])(
    'that a %s raises for one row keeps that row alone, as any other error does',
    async (kind, when) => {
      await createItems(100);
      await db.sql.unsafe(
        `create ${kind} conflict ${when} when (old.id = 42) execute function app.conflict()`,
      );
      const result = await runPurge(db);
      expect(stepOf(result, 'app.items')).toMatchObject({
        status: 'partial',
        rowsPurged: 99,
        rowsRefused: 1,
        refusedBy: { 'trigger conflict on app.items (line 3 of app.conflict())': 1 },
      });
      expect(await idsOf(db.sql, 'app.items')).toEqual([42]);
      // With the batch, and with each of the halves that the row is in: of 100, 50, 25, 13, 7, 4, 2 and 1.
      expect(await timesRaised()).toBeLessThanOrEqual(9);
      expect(JSON.stringify(result.run)).not.toContain('example.org');
    },
  );

  it.each([1, 10])('that passes keeps none of %i rows', async (rows) => {
    await createItems(rows);
    await db.sql.unsafe(`
      create function app.conflict_once() returns trigger language plpgsql as $$ begin
        if nextval('app.raised') = 1 then raise serialization_failure; end if;
        return old;
      end $$;
      create trigger conflict before delete on app.items for each row when (old.id = 1) execute function app.conflict_once();
    `);
    const step = stepOf(await runPurge(db), 'app.items');
    expect(step).toMatchObject({ status: 'succeeded', rowsPurged: rows });
    // With the batch, in the try that says that none refuses any more, and when they go.
    expect(await timesRaised()).toBe(3);
  });

  it('of a row that is restored is a conflict, and nothing is restored', async () => {
    await createItems(10);
    await db.sql`select nightshift.enable_soft_delete('app.items')`;
    await db.sql`
      create trigger conflict before update on app.items for each row when (old.id = 3) execute function app.conflict()`;
    await letServiceRoleWrite();
    const client = await apiClient();
    const keys = range(1, 5);
    const { error } = await client.rpc('restore', { relation: 'app.items', keys });
    expect(error).toMatchObject({ code: 'NS425' });
    expect(await timesRaised()).toBe(1);
    expect(await idsOf(db.sql, 'app.items where deleted_at is null')).toEqual([]);
  });

  it('of a row that another session moves out of its partition meanwhile is a conflict for who restores it', async () => {
    await db.sql.unsafe(`
      create table app.items (id integer primary key, deleted_at timestamptz) partition by range (id);
      create table app.items_low partition of app.items for values from (1) to (100);
      create table app.items_high partition of app.items for values from (100) to (200);
      insert into app.items select id, now() from generate_series(1, 5) id;
      create index on app.items (deleted_at);
      select nightshift.enable_soft_delete('app.items');
    `);
    await letServiceRoleWrite();
    const client = await apiClient();
    const mover = db.connect();
    await mover`begin`;
    await mover`update app.items set id = 103 where id = 3`;
    const restoring = client.rpc('restore', { relation: 'app.items', keys: [2, 3, 4] }).then();
    await until('the restore waits for the row', async () => {
      const waiting =
        await db.sql`select from pg_locks where locktype = 'transactionid' and not granted`;
      return waiting.length > 0;
    });
    await mover`commit`;
    expect((await restoring).error).toMatchObject({ code: 'NS425' });
  });

  it.each(['api', 'direct'])(
    'in the query of a view fails its step at once, over %s',
    async (transport) => {
      await db.sql.unsafe(`
        create function app.fine() returns boolean language plpgsql as $$ begin return true; end $$;
        create materialized view app.totals as select app.fine();
        select nightshift.add_refresh_policy('app.totals', allow_blocking => true);
        create or replace function app.fine() returns boolean language plpgsql as $$ begin ${conflict} end $$;
      `);
      // One that usually takes so long goes over the direct connection, where there is one.
      await recordUsual(db.sql, 40_000, 'app.totals');
      const run = (direct?: Direct) =>
        runRefresh(db, { force: true }, { direct, deadline: endless(600_000) });
      const { report } = await (transport === 'direct' ? withDirect(db.url, run) : run());
      const message = 'The query of app.totals fails with SQLSTATE 40001, in line 3 of app.fine()';
      expect(report.steps).toMatchObject([
        { status: 'failed', transport, error: { code: 'NS422', message } },
      ]);
      expect(await timesRaised()).toBe(1);
    },
  );

  it.each(['CREATE TABLE', 'ALTER TABLE'])(
    'of an event trigger on %s fails the partitions of its table, once',
    async (tag) => {
      await createLogs(db.sql, { withDefault: true });
      await refuseCommands(tag);
      const result = await runMaintenance(db);
      const failed = { status: 'failed', error: { code: '40001' } };
      expect(setOf(result, 'app.logs')).toMatchObject(failed);
      expect(await timesRaised()).toBe(1);
      expect(JSON.stringify(result.run)).not.toContain('example.org');
    },
  );

  it('of an event trigger keeps partitions from being retired, and is named', async () => {
    await createLogs(db.sql, { policy: ", retention => '8 days', max_fraction => 1" });
    const beforeCall = (name: string) =>
      name === 'retire_partitions' && refuseCommands('ALTER TABLE');
    const result = await runMaintenance(db, {}, { beforeCall });
    expect(setOf(result, 'app.logs')).toMatchObject({
      status: 'partial',
      error: {
        code: 'NS425',
        detail: 'Raised in line 3 of app.conflict_of_ddl(). Nothing was changed.',
      },
    });
    expect(await timesRaised()).toBe(1);
  });

  it('of an event trigger keeps a retired partition from being dropped, once', async () => {
    await createLogs(db.sql, {
      policy: ", retention => '8 days', retire => 'drop', max_fraction => 1",
    });
    await runMaintenance(db);
    await letGracePass(db.sql);
    await refuseCommands('DROP TABLE');
    const result = await runMaintenance(db);
    const reason = 'Postgres refused with SQLSTATE 40001, in line 3 of app.conflict_of_ddl()';
    expect(JSON.stringify(result.report)).toContain(reason);
    expect(await timesRaised()).toBe(2);
  });
});
