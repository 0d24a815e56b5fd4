import { stripVTControlCharacters } from 'node:util';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { presenter } from '../../cli/present/table-vacuum.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { beginBatches } from '../support/batches.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { endless } from '../support/deadline.ts';
import { createTable, outcomes, runVacuum } from '../support/vacuum.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const set = (setting: string) =>
  db.sql.unsafe(
    `do $$ begin execute format('alter database %I ${setting}', current_database()); end $$;`,
  );
const pagesOf = async (table: string) => {
  const [row] = await db.sql`select pg_relation_size(${table}::text::regclass)::integer as bytes`;
  return row?.bytes;
};

describe('dead rows', () => {
  it('are removed, and the report has their number before and after; the file keeps its size', async () => {
    await createTable(db.sql, 'app."Dead ""rows"""');
    await createTable(db.sql, 'app.few', { dead: 100 });
    const before = await pagesOf('app."Dead ""rows"""');

    const first = await runVacuum(db);
    expect(first.run).toMatchObject({ status: 'succeeded', error: null });
    expect(first.report).toMatchObject({
      tablesVacuumed: 1,
      deadRowsRemoved: 2_000,
      heldBy: null,
      steps: [
        {
          table: 'app."Dead ""rows"""',
          status: 'vacuumed',
          reason: 'dead_rows',
          deadRowsBefore: 2_000,
          deadRowsAfter: 0,
        },
      ],
    });
    const [row] = await db.sql`
      select n_dead_tup::integer as dead, analyze_count::integer as analyzed
      from pg_stat_user_tables where relname = 'Dead "rows"'`;
    expect(row).toEqual({ dead: 0, analyzed: 2 });
    expect(await pagesOf('app."Dead ""rows"""')).toBe(before);
    expect((await runVacuum(db)).report.steps).toEqual([]);
  });

  it('are removed by one process, whatever the server allows', async () => {
    await createTable(db.sql, 'app.few', { dead: 2_000 });
    // ANALYZE computes its entries in the same session.
    await db.sql.unsafe(`
      create function app.workers(id integer) returns text language sql immutable as
      $$ select pg_catalog.current_setting('max_parallel_maintenance_workers') $$;
      create index on app.few (app.workers(id));
    `);
    await runVacuum(db);
    const [row] = await db.sql`
      select most_common_vals::text as workers from pg_stats where tablename = 'few_workers_idx'`;
    expect(row).toEqual({ workers: '{0}' });
  });

  it('of a purge are removed even where they are few, and before all others', async () => {
    await db.sql.unsafe(`
      create table app.orders (id integer primary key, deleted_at timestamptz) with (autovacuum_enabled = false);
      create index on app.orders (deleted_at);
      insert into app.orders select g, case when g <= 1200 then now() - interval '40 days' end from generate_series(1, 25000) g;
      create table app.lines (id integer primary key, order_id integer references app.orders) with (autovacuum_enabled = false);
      create index on app.lines (order_id);
      insert into app.lines select g, g from generate_series(1, 25000) g;
      alter table app.lines set (vacuum_truncate = off);
      select nightshift.add_retention_policy('app.orders', '30 days', with_children => array['app.lines'], max_fraction => 1);
      select pg_stat_force_next_flush();`);
    await db.sql`vacuum analyze app.orders, app.lines`;
    await createTable(db.sql, 'app.others');
    await (await beginBatches(db.sql, 'app.orders')).finish();
    await db.sql`select pg_stat_force_next_flush()`;

    const { report } = await runVacuum(db);
    expect(
      report.steps.map(({ table, reason, deadRowsBefore, deadRowsAfter }) => [
        table,
        reason,
        deadRowsBefore,
        deadRowsAfter,
      ]),
    ).toEqual([
      ['app.lines', 'purged', 1_200, 0],
      ['app.orders', 'purged', 1_200, 0],
      ['app.others', 'dead_rows', 2_000, 0],
    ]);
    expect(report.steps.map(({ advice }) => advice)).toEqual([
      undefined,
      'alter table app.orders set (vacuum_truncate = false);',
      undefined,
    ]);
    expect((await runVacuum(db)).report.steps).toEqual([]);
  });

  it('that someone may still see stay, which is no success, and the report names them', async () => {
    await createTable(db.sql, 'app.items');
    const reader = db.connect();
    await reader`begin isolation level repeatable read`;
    const [session] =
      await reader`select pg_backend_pid() as pid, (select count(*) from app.items)`;
    await db.sql`delete from app.items where id <= 2000`;
    await db.sql`select pg_stat_force_next_flush()`;
    await db.sql`vacuum app.items`;

    const { run, report } = await runVacuum(db);
    expect(run).toMatchObject({
      status: 'failed',
      error: {
        code: 'NS502',
        detail: expect.stringMatching(/^app\.items: 2000 dead rows stay, because pid \d+ /),
        hint: `select pg_terminate_backend(${session?.pid});`,
      },
    });
    expect(report.heldBy).toMatchObject({ holder: expect.stringContaining(`pid ${session?.pid}`) });
    expect(report.steps).toMatchObject([
      { status: 'blocked', reason: 'held', deadRowsBefore: 2_000, deadRowsAfter: 2_000 },
    ]);

    await reader`commit`;
    expect(outcomes(await runVacuum(db))).toEqual({ 'app.items': 'vacuumed: dead_rows' });
  });

  it('are held by nobody who came after the time in question', async () => {
    const reader = db.connect();
    await reader`begin isolation level repeatable read`;
    const [session] = await reader`select pg_backend_pid() as pid, now()::text as since`;
    const holderBefore = async (seconds: number) => {
      const [row] = await db.sql`
        select nightshift.xmin_holder(${session?.since}::timestamptz + make_interval(secs => ${seconds})) as holder`;
      return row?.holder;
    };
    expect(await holderBefore(1)).toMatchObject({
      holder: expect.stringContaining(`pid ${session?.pid} `),
    });
    expect(await holderBefore(0)).toBeNull();
    await reader`commit`;
  });
});

describe('statistics', () => {
  it('are collected where many rows have changed, and for partitioned tables, which autovacuum leaves alone', async () => {
    await db.sql.unsafe(`
      create table app.changed (id integer) with (autovacuum_enabled = false);
      create table app.days (day date) partition by range (day);
      create table app.days_1 partition of app.days for values from ('2025-01-01') to ('2026-01-01') with (autovacuum_enabled = false);
      create table app.unused (day date) partition by range (day);
      insert into app.changed select generate_series(1, 2000);
      insert into app.days select '2025-02-02' from generate_series(1, 10);
      select pg_stat_force_next_flush();`);
    expect(outcomes(await runVacuum(db))).toEqual({
      'app.changed': 'vacuumed: statistics',
      'app.days': 'vacuumed: statistics',
    });
    const [row] = await db.sql`
      select count(*)::integer as columns from pg_stats where tablename = 'days' and inherited`;
    expect(row?.columns).toBe(1);
    expect((await runVacuum(db)).report.steps).toEqual([]);
  });
});

describe('the age of rows', () => {
  it('makes a table due before autovacuum has to come', async () => {
    await createTable(db.sql, 'app.old', { dead: 0 });
    const session = db.connect();
    const ask = () => session`
      select s.name, s.reason from nightshift.vacuum_states() s where s.name = 'app.old'`;
    expect(await ask()).toEqual([]);
    await session`set vacuum_freeze_table_age = 1`;
    expect(await ask()).toEqual([{ name: 'app.old', reason: 'freeze' }]);
  });
});

describe('a policy', () => {
  const policies = async () => {
    const [row] = await db.sql`select nightshift.list_vacuum_policies() as policies`;
    return row?.policies;
  };

  it('makes a table due sooner, or never unless it is asked for, with its partitions', async () => {
    await createTable(db.sql, 'app.items', { rows: 30_000, dead: 1_100 });
    await createTable(db.sql, 'app.off');
    await db.sql.unsafe(`
      create table app.logs (id integer, note text) partition by range (id);
      alter table app.off drop constraint off_pkey;
      alter table app.logs attach partition app.off for values from (0) to (10000);
      select nightshift.add_vacuum_policy('app.logs', enabled => false);`);
    expect((await runVacuum(db)).report.steps).toEqual([]);
    await db.sql`select nightshift.add_vacuum_policy('app.items', 0.03)`;
    expect(outcomes(await runVacuum(db))).toEqual({ 'app.items': 'vacuumed: dead_rows' });
    expect(outcomes(await runVacuum(db, { only: ['app.logs'] }))).toEqual({
      'app.off': 'vacuumed: dead_rows',
      'app.logs': 'vacuumed: statistics',
    });
    await db.sql`select nightshift.remove_vacuum_policy('app.logs')`;
    expect(outcomes(await runVacuum(db, { only: ['app.logs'] }))).toEqual({
      'app.logs': 'vacuumed: asked',
    });
  });

  it('is not that of another table which has taken the former name', async () => {
    await createTable(db.sql, 'app.items');
    await db.sql.unsafe(`
      select nightshift.add_vacuum_policy('app.items', 0.01);
      alter table app.items rename to kept;
    `);
    await createTable(db.sql, 'app.items');
    for (const call of [
      `alter_vacuum_policy('app.items', enabled => false)`,
      `remove_vacuum_policy('app.items')`,
    ]) {
      await expect(db.sql.unsafe(`select nightshift.${call}`)).rejects.toMatchObject({
        code: 'NS404',
      });
    }
    expect(await db.sql`select relation::text, enabled from nightshift.vacuum_policies`).toEqual([
      { relation: 'app.kept', enabled: true },
    ]);
  });

  it('is changed, finds its table again under its name, and is refused where it makes no sense', async () => {
    await createTable(db.sql, 'app.items');
    await db.sql`select nightshift.add_vacuum_policy('app.items', 0.2)`;
    await expect(db.sql`select nightshift.add_vacuum_policy('app.items')`).rejects.toMatchObject({
      code: 'NS422',
      message: 'app.items has a vacuum policy already',
    });
    for (const fraction of ['0', '1.1', 'NaN']) {
      await expect(
        db.sql`select nightshift.alter_vacuum_policy('app.items', ${fraction}::numeric)`,
      ).rejects.toMatchObject({ code: 'NS422', hint: expect.stringContaining('0.01') });
    }
    await expect(
      db.sql`select nightshift.add_vacuum_policy('app.items_pkey')`,
    ).rejects.toMatchObject({ code: 'NS422', message: 'app.items_pkey is no table' });
    await db.sql`drop table app.items`;
    expect(await policies()).toMatchObject([{ table: 'app.items', gone: true }]);
    await createTable(db.sql, 'app.items', { dead: 0 });
    await db.sql`select nightshift.alter_vacuum_policy('app.items', enabled => false)`;
    expect(await policies()).toEqual([
      { table: 'app.items', maxDeadFraction: 0.2, enabled: false, gone: false },
    ]);
    await db.sql`select nightshift.remove_vacuum_policy('app.items')`;
    await expect(db.sql`select nightshift.remove_vacuum_policy('app.items')`).rejects.toMatchObject(
      {
        code: 'NS404',
      },
    );
    expect(await policies()).toEqual([]);
  });
});

describe('the command line', () => {
  /** Without the colours of a terminal. */
  const shownBy = (show: () => void) => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    show();
    const text = log.mock.calls.flat().join('\n');
    log.mockRestore();
    return stripVTControlCharacters(text);
  };

  it('shows what is due, what a policy says, and who holds dead rows', async () => {
    await createTable(db.sql, 'app.items');
    await db.sql`select nightshift.add_vacuum_policy('app.items', 0.015)`;
    const { url, secretKey } = await db.gateway();
    const rpc = createRpc({ url, secretKey }, endless(20_000));
    const plan = await presenter.plan?.(rpc);
    expect(shownBy(() => plan?.show())).toMatch(/app\.items .* dead rows .* 2,000 .* 2,000 .* yes/);
    const policies = await presenter.policies?.(rpc);
    expect(shownBy(() => policies?.show())).toMatch(/app\.items .* 1\.5 % dead .* on/);

    const { report } = await runVacuum(db, { dryRun: true });
    const heldBy = {
      holder: 'the replication slot old',
      xids: 1_000,
      since: '-infinity',
      fix: "select pg_drop_replication_slot('old');",
    };
    expect(shownBy(() => presenter.showReport({ ...report, heldBy } as never))).toMatch(
      /vacuum \(analyze[\s\S]*the replication slot old[\s\S]*Fix: select pg_drop_replication_slot/,
    );
  });
});

describe('a run', () => {
  it('that is dry says what would be done, and does nothing', async () => {
    await createTable(db.sql, 'app.items');
    const { run, report } = await runVacuum(db, { dryRun: true });
    expect(run.status).toBe('succeeded');
    expect(report.steps).toMatchObject([
      {
        table: 'app.items',
        status: 'due',
        detail: '2,000 dead and 2,000 live rows',
        statement: 'vacuum (analyze, skip_locked, truncate false, parallel 0) app.items;',
      },
    ]);
    const [row] =
      await db.sql`select vacuum_count::integer as n from pg_stat_user_tables where relname = 'items'`;
    expect(row?.n).toBe(0);
  });

  it('vacuums what it is asked for, due or not, and refuses what is no table', async () => {
    await createTable(db.sql, 'app.clean', { dead: 0 });
    await createTable(db.sql, 'app.items');
    expect(outcomes(await runVacuum(db, { only: ['app.clean'] }))).toEqual({
      'app.clean': 'vacuumed: asked',
    });
    await expect(runVacuum(db, { only: ['app.gone'] })).rejects.toMatchObject({
      code: 'NS404',
      message: 'There is no such table: app.gone',
    });
  });

  it('refuses what was retired, which goes as a whole', async () => {
    await createTable(db.sql, 'app.retired');
    await db.sql`
      insert into nightshift.retired_partitions
        (partition, partition_name, parent, parent_name, from_bound, to_bound, period, status, size_bytes)
      values ('app.retired'::regclass, 'app.retired', 1, 'app.parent', '1', '2', 'empty', 'detached', 1)`;
    await expect(runVacuum(db, { only: ['app.retired'] })).rejects.toMatchObject({
      code: 'NS422',
      message: 'Retired, and not vacuumed any more: app.retired',
    });
    expect((await runVacuum(db)).report.steps).toEqual([]);
  });

  it('leaves out what autovacuum came to first, unless it was asked for it', async () => {
    const overtaken = async (input: object) => {
      await createTable(db.sql, 'app.items');
      const before = { begin_vacuum: () => db.sql`vacuum analyze app.items` };
      const { run, report } = await runVacuum(db, input, { before });
      await db.sql`drop table app.items`;
      return [run.status, outcomes({ report })];
    };
    expect(await overtaken({})).toEqual(['succeeded', { 'app.items': 'skipped: not_due' }]);
    expect(await overtaken({ only: ['app.items'] })).toEqual([
      'succeeded',
      { 'app.items': 'vacuumed: asked' },
    ]);
  });

  it('of another job vacuums nothing, and looks after no vacuum', async () => {
    await createTable(db.sql, 'app.items');
    const [lease] = await db.sql`
      select r.answer #>> '{run,id}' as id, r.answer #>> '{run,fence}' as fence
      from nightshift.begin_run('health-check', 'cli') r(answer)`;
    for (const call of [
      db.sql`select nightshift.begin_vacuum(${lease?.id}, ${lease?.fence}, 'app.items')`,
      db.sql`select nightshift.watch_vacuum(${lease?.id}, ${lease?.fence})`,
    ]) {
      await expect(call).rejects.toMatchObject({
        code: 'NS422',
        message: 'A run of health-check vacuums nothing',
      });
    }
  });

  it('without a direct connection says what Supabase Cron can do instead, and that works', async () => {
    await createTable(db.sql, `app."it's"`);
    const { run, report } = await runVacuum(db, {}, { databaseUrl: null });
    expect(run).toMatchObject({ status: 'failed', error: { code: 'NS502' } });
    const [step] = report.steps;
    expect(step).toMatchObject({ status: 'blocked', reason: 'no_connection' });
    const statement = `vacuum (analyze, skip_locked, truncate false, parallel 0) app."it's"`;
    expect(step?.fixes).toEqual([
      {
        subject: `app."it's"`,
        fix: `Set NIGHTSHIFT_DATABASE_URL (the session pooler); or let Supabase Cron do it: select cron.schedule('vacuum app."it''s"', '0 3 * * *', 'vacuum (analyze, skip_locked, truncate false, parallel 0) app."it''s"');`,
      },
    ]);
    await db.sql.unsafe(statement);
    expect((await runVacuum(db)).report.steps).toEqual([]);
  });

  it('out of time leaves the rest to be continued, and the continuation does it', async () => {
    await createTable(db.sql, 'app.items');
    const { run } = await runVacuum(db, {}, { deadline: endless(4_000) });
    expect(run.status).toBe('continued');
    const resumed = await runVacuum(db, {}, { resume: { runId: run.id, attempt: 1 } });
    expect(resumed.run.status).toBe('succeeded');
    expect(outcomes(resumed)).toEqual({ 'app.items': 'vacuumed: dead_rows' });
  });

  it('on a database that is read-only fails with the fix', async () => {
    await createTable(db.sql, 'app.items');
    await set('set default_transaction_read_only = on');
    const gateway = await db.gateway();
    await db.sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and usename = 'authenticator'`;
    expect(gateway.url).toBeTruthy();
    try {
      await expect(runVacuum(db)).rejects.toMatchObject({
        code: '25006',
        message: 'The database is read-only',
      });
    } finally {
      const session = db.connect();
      await session`set default_transaction_read_only = off`;
      await session.unsafe(
        `do $$ begin execute format('alter database %I reset default_transaction_read_only', current_database()); end $$;`,
      );
      await session`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and usename = 'authenticator'`;
    }
    expect(outcomes(await runVacuum(db))).toEqual({ 'app.items': 'vacuumed: dead_rows' });
  });
});

describe('a table of someone else', () => {
  const owner = 'vacuum_owner';
  const stranger = 'vacuum_stranger';

  it("has its code run with its owner's rights", async () => {
    await createTable(db.sql, 'app.theirs');
    await db.sql.unsafe(`
      create role ${stranger};
      create table app.ran_as (who name);
      create function app.note() returns void language sql as 'insert into app.ran_as values (current_user)';
      create function app.see(n integer) returns integer immutable language plpgsql as $$
      begin perform app.note(); return n; end $$;
      create index on app.theirs (app.see(id));
      grant usage on schema app to ${stranger};
      grant insert on app.ran_as to ${stranger};
      truncate app.ran_as;
      alter table app.theirs owner to ${stranger};`);
    try {
      expect(outcomes(await runVacuum(db, { only: ['app.theirs'] }))).toEqual({
        'app.theirs': 'vacuumed: dead_rows',
      });
      expect(await db.sql`select distinct who from app.ran_as`).toEqual([{ who: stranger }]);
    } finally {
      await db.sql.unsafe(`drop owned by ${stranger} cascade; drop role ${stranger};`);
    }
  });

  it('is left, which is no success, and the others are vacuumed', async () => {
    await db.sql.unsafe(`
      create role ${owner} login password 'of-a-test' createrole bypassrls in role pg_monitor;
      create role ${stranger};
      select nightshift.hand_over('${owner}');
      grant usage, create on schema app to ${owner};`);
    try {
      await createTable(db.sql, 'app.ours');
      await createTable(db.sql, 'app.theirs');
      await db.sql.unsafe(`
        alter table app.ours owner to ${owner}; alter table app.theirs owner to ${stranger};`);
      const url = new URL(db.url);
      url.username = owner;
      url.password = 'of-a-test';
      const { run, report } = await runVacuum(db, {}, { databaseUrl: url.href });
      expect(run.status).toBe('partial');
      expect(outcomes({ report })).toEqual({
        'app.ours': 'vacuumed: dead_rows',
        'app.theirs': 'blocked: denied',
      });
      const [denied] = report.steps.filter(({ status }) => status === 'blocked');
      await db.sql.unsafe(denied?.fixes[0]?.fix ?? '');
      expect(outcomes(await runVacuum(db, {}, { databaseUrl: url.href }))).toEqual({
        'app.theirs': 'vacuumed: dead_rows',
      });
    } finally {
      await db.sql.unsafe(`
        select nightshift.hand_over(current_user);
        reassign owned by ${owner}, ${stranger} to current_user;
        drop owned by ${owner}, ${stranger}; drop role ${owner}, ${stranger};`);
    }
  });
});
