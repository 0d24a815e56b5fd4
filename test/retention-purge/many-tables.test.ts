import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge } from '../support/purge.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const partitions = 4;

/** Tables of four partitions, each of which refers to the one before it, all with a policy. */
async function createChain(tables: number): Promise<void> {
  const policies = Array.from({ length: tables }, (_, n) => [
    `create table app.t_${n} (id bigint primary key, deleted_at timestamptz, parent_id bigint
      ${n > 0 ? `references app.t_${n - 1}` : ''}) partition by range (id)`,
    ...Array.from(
      { length: partitions },
      (_, p) =>
        `create table app.t_${n}_${p} partition of app.t_${n} for values from (${10 * p}) to (${10 * p + 10})`,
    ),
    `create index on app.t_${n} (deleted_at)`,
    `create index on app.t_${n} (parent_id)`,
    `insert into nightshift.retention_policies (relation, drop_after, marker_column) values ('app.t_${n}', '30 days', 'deleted_at')`,
  ]);
  await db.sql.unsafe(policies.flat().join(';'));
}

describe('the plan', () => {
  /** How often functions were called for a plan. */
  const callsOfPlan = () =>
    db.sql.begin(async (sql) => {
      await sql`set local track_functions = 'all'`;
      const [begun] =
        await sql`select nightshift.begin_run('retention-purge', 'cli', dry_run => true) -> 'run' as run`;
      const { id, fence } = begun?.run ?? {};
      const [planned] = await sql`select nightshift.plan_retention_purge(${id}, ${fence}) as plan`;
      const calls = await sql<{ funcname: string; calls: number }[]>`
        select funcname, calls::integer from pg_stat_xact_user_functions where schemaname = 'nightshift'`;
      await sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
      return {
        order: planned?.plan.policies.map(({ relation }: { relation: string }) => relation),
        calls: Object.fromEntries(calls.map(({ funcname, calls }) => [funcname, calls])),
      };
    });

  it('looks at each policy and each key once, however many there are', async () => {
    await createChain(12);
    const { calls, order } = await callsOfPlan();
    expect(order).toEqual(Array.from({ length: 12 }, (_, n) => `app.t_${11 - n}`));
    expect(calls).toMatchObject({
      purge_order: 1,
      purge_keys: 1,
      referencing_keys: 1,
      are_related: 11,
    });
    // The family of each policy's table, and of the table that each key refers to.
    expect(calls.related_tables).toBe(12 + 11);
  });
});

describe('declaring a policy, and saying what it would do', () => {
  const callsOf = async (children: number) => {
    const names = Array.from({ length: children }, (_, n) => `app.child_${n}`);
    await startAfresh(db.sql);
    await db.sql.unsafe(`
      create table app.orders (id integer primary key, deleted_at timestamptz);
      create index on app.orders (deleted_at);
      insert into app.orders values (1, now() - interval '40 days');
      ${names.map((name) => `create table ${name} (order_id integer references app.orders); create index on ${name} (order_id);`).join('\n')}`);
    return db.sql.begin(async (sql) => {
      await sql`set local track_functions = 'all'`;
      // What the session has called in earlier transactions may be counted as well.
      const callsBy = async (call: () => PromiseLike<unknown>) => {
        const calls = () => sql<{ name: string; n: number }[]>`
          select funcname as name, calls::integer as n from pg_stat_xact_user_functions
          where funcname in ('reference_tree', 'purge_keys')`;
        const before = new Map((await calls()).map(({ name, n }) => [name, n]));
        await call();
        return Object.fromEntries(
          (await calls()).map(({ name, n }) => [name, n - (before.get(name) ?? 0)]),
        );
      };
      return {
        declared: await callsBy(
          () =>
            sql`select nightshift.add_retention_policy('app.orders', '30 days', with_children => ${names})`,
        ),
        planned: await callsBy(() => sql`select nightshift.preview_retention_purge()`),
      };
    });
  };

  it('asks for the keys once a step, however many children are named', async () => {
    const few = await callsOf(2);
    expect(few).toMatchObject({ declared: { reference_tree: 1 }, planned: { reference_tree: 1 } });
    expect(await callsOf(12)).toEqual(few);
  });
});

describe('a batch that looks at each row', () => {
  /** How often functions were called for a batch of rows to which so many tables refer. */
  async function callsOfBatch(tables: number, dryRun: boolean, ofIndex = '') {
    await startAfresh(db.sql);
    await db.sql.unsafe(`
      create table app.orders (id bigint primary key, deleted_at timestamptz);
      insert into app.orders select n, now() - interval '40 days' from generate_series(1, 5) n;
      create table app.items (id bigint primary key, order_id bigint references app.orders);
      insert into app.items select n, n from generate_series(1, 5) n;
      create index on app.items (order_id);`);
    for (let n = 0; n < tables; n++) {
      await db.sql.unsafe(`
        create table app.t_${n} (order_id bigint references app.orders on delete cascade, item_id bigint references app.items);
        create index on app.t_${n} (order_id);
        create index on app.t_${n} (item_id) ${ofIndex};`);
    }
    await db.sql`select nightshift.add_retention_policy('app.orders', '30 days', with_children => array['app.items'])`;
    return db.sql.begin(async (sql) => {
      await sql`set local track_functions = 'all'`;
      const [begun] =
        await sql`select nightshift.begin_run('retention-purge', 'cli', dry_run => ${dryRun}) -> 'run' as run`;
      const { id, fence } = begun?.run ?? {};
      await sql`select nightshift.plan_retention_purge(${id}, ${fence})`;
      const counts = () => sql<{ funcname: string; calls: number }[]>`
        select case l.lanname when 'sql' then 'sql:' else '' end || f.funcname as funcname, f.calls::integer
        from pg_stat_xact_user_functions f join pg_proc p on p.oid = f.funcid join pg_language l on l.oid = p.prolang
        where f.schemaname = 'nightshift'`;
      const before = new Map((await counts()).map(({ funcname, calls }) => [funcname, calls]));
      const [purged] =
        await sql`select nightshift.purge_batch(${id}, ${fence}, 'app.orders', 100) as batch`;
      expect(purged?.batch).toMatchObject({
        step: { rowsPurged: 5, children: { 'app.items': 5 } },
        bySlices: false,
      });
      const called = (await counts())
        .map(({ funcname, calls }) => [funcname, calls - (before.get(funcname) ?? 0)] as const)
        .filter(([, calls]) => calls > 0);
      await sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
      return Object.fromEntries(called);
    });
  }

  it.each([
    ['real', false],
    ['dry', true],
  ])('asks about all keys at once, however many there are: %s', async (_, dryRun) => {
    const few = await callsOfBatch(2, dryRun);
    expect(few).toMatchObject({ referencing_keys: 2, find_needed_rows: 1 });
    expect(await callsOfBatch(20, dryRun)).toEqual(few);
  });

  it.each([
    ['real', false],
    ['dry', true],
  ])(
    'calls no SQL function, whose plan Postgres would make anew each time: %s',
    async (_, dryRun) => {
      const called = Object.keys(await callsOfBatch(2, dryRun, 'where item_id is not null'));
      expect(called).toContain('index_serves_key');
      expect(called.filter((name) => name.startsWith('sql:'))).toEqual([]);
    },
  );

  it('is measured with a look at the columns of each key, however many a policy names', async () => {
    const callsFor = async (tables: number) => {
      await callsOfBatch(tables, true);
      const children = Array.from({ length: tables }, (_, n) => `app.t_${n}(order_id)`);
      await db.sql`select nightshift.alter_retention_policy('app.orders', with_children => ${children})`;
      return db.sql.begin(async (sql) => {
        await sql`set local track_functions = 'all'`;
        const [begun] =
          await sql`select nightshift.begin_run('retention-purge', 'cli') -> 'run' as run`;
        const { id, fence } = begun?.run ?? {};
        await sql`select nightshift.plan_retention_purge(${id}, ${fence})`;
        await sql`select nightshift.measure_retention_backlog(${id}, ${fence}, 'app.orders')`;
        await sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
        const [row] = await sql<[{ calls: number }]>`
          select sum(calls)::integer as calls from pg_stat_xact_user_functions where funcname = 'key_columns'`;
        return row.calls;
      });
    };
    const [few, many] = [await callsFor(5), await callsFor(20)];
    expect(few).toBeGreaterThan(0);
    expect(many / few).toBeLessThan(5);
  });
});

it.each(['preview_retention_purge', 'list_retention_policies'])(
  '%s says of which tables there was no time to say more',
  async (name) => {
    await createChain(2);
    // As if all that there is had been taken before.
    const [row] = await db.sql.unsafe(`select nightshift.${name}(budget_ms => -10000) as policies`);
    expect(row?.policies).toHaveLength(2);
    expect(row?.policies).toMatchObject([
      { problem: { code: 'NS424' } },
      { problem: { code: 'NS424' } },
    ]);
  },
);

it('a plan needs no time for a policy that is switched off', async () => {
  await createChain(2);
  await db.sql`select nightshift.alter_retention_policy('app.t_0', enabled => false)`;
  const [row] = await db.sql`
    select nightshift.preview_retention_purge(budget_ms => -10000) as policies`;
  expect(row?.policies).toMatchObject([{ enabled: true, problem: {} }, { enabled: false }]);
  expect(row?.policies[1]).not.toHaveProperty('problem');
});

describe('a table that cannot be measured', () => {
  it('costs that table alone', async () => {
    await createChain(3);
    await db.sql.unsafe(`
      insert into app.t_0 values (1, now() - interval '40 days');
      insert into app.t_2 values (1, now() - interval '40 days');
      alter table app.t_1 rename column deleted_at to gone_at`);
    const { run, report } = await runPurge(db);
    expect(run.status).toBe('partial');
    expect(report.steps).toMatchObject([
      { relation: 'app.t_2', status: 'succeeded', rowsPurged: 1 },
      { relation: 'app.t_1', status: 'failed', error: { code: 'NS422' } },
      { relation: 'app.t_0', status: 'succeeded', rowsPurged: 1 },
    ]);
  });
});

describe('tables that are measured in one call', () => {
  it('are those on which it holds about a hundred locks, the first of them', async () => {
    await createChain(40);
    await db.sql`insert into app.t_39 values (1, now() - interval '40 days')`;
    await db.sql.begin(async (sql) => {
      const [begun] =
        await sql`select nightshift.begin_run('retention-purge', 'cli', dry_run => true) -> 'run' as run`;
      const { id, fence } = begun?.run ?? {};
      await sql`select nightshift.plan_retention_purge(${id}, ${fence})`;
      const tables = Array.from({ length: 40 }, (_, n) => `app.t_${39 - n}`);
      const [row] =
        await sql`select nightshift.measure_retention_backlogs(${id}, ${fence}, ${tables}) as backlogs`;
      expect(row?.backlogs.length).toBeGreaterThanOrEqual(1);
      expect(row?.backlogs.length).toBeLessThanOrEqual(100 / partitions);
      const [alone] =
        await sql`select nightshift.measure_retention_backlog(${id}, ${fence}, 'app.t_39') as backlog`;
      expect(row?.backlogs[0]).toEqual(alone?.backlog);
      expect(alone?.backlog).toMatchObject({ dueRows: 1, totalRows: 1 });
      const [locks] = await sql`
        select count(distinct c.oid)::integer as n from pg_locks l join pg_class c on c.oid = l.relation
        where l.pid = pg_backend_pid() and c.relkind = 'r' and c.relispartition`;
      expect(locks?.n).toBeLessThanOrEqual(100);
      await sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
    });
  });
});

it('tells the rows that others refer to from those that go, in all partitions at once', async () => {
  await createChain(2);
  await db.sql.unsafe(`
    insert into app.t_0 select n, now() - interval '40 days' from generate_series(0, 39) n;
    insert into app.t_1 select n, null, 3 * n from generate_series(0, 13) n`);
  const { report } = await runPurge(db);
  const step = report.steps.find(({ relation }) => relation === 'app.t_0');
  expect(step).toMatchObject({ rowsPurged: 26, rowsBlocked: 14 });
  const left = await db.sql`select id::integer from app.t_0 order by id`;
  expect(left.map(({ id }) => id)).toEqual(Array.from({ length: 14 }, (_, n) => 3 * n));
});

describe('a table of very many partitions', () => {
  /** More than a batch locks. */
  const days = 130;
  const createDays = async (marker: 'deleted_at' | 'day') => {
    await db.sql.unsafe(`
      create table app.log (id bigint, day date, deleted_at timestamptz) partition by range (day);
      do $$
      begin
        for n in 0..${days - 1} loop
          execute format('create table app.log_%s partition of app.log for values from (%L) to (%L)', n, current_date - n, current_date - n + 1);
        end loop;
      end $$;
      create index on app.log (deleted_at);
      create index on app.log (day);
      insert into app.log select n, current_date - n from generate_series(0, ${days - 1}) n;
      insert into nightshift.retention_policies (relation, drop_after, marker_column) values ('app.log', '30 days', '${marker}')`);
  };

  /** What a batch holds at its end, in a transaction that goes on. */
  const batchesOf = async (relation: string) => {
    const [begun] =
      await db.sql`select nightshift.begin_run('retention-purge', 'cli') -> 'run' as run`;
    const { id, fence } = begun?.run ?? {};
    await db.sql`select nightshift.plan_retention_purge(${id}, ${fence})`;
    const [measured] =
      await db.sql`select nightshift.measure_retention_backlog(${id}, ${fence}, ${relation}) as backlog`;
    const batches: { locked: number; done: boolean; purged: number }[] = [];
    while (!batches.at(-1)?.done) {
      const batch = await db.sql.begin(async (sql) => {
        const [answer] =
          await sql`select nightshift.purge_batch(${id}, ${fence}, ${relation}, 1000) as batch`;
        const [locks] = await sql`
          select count(distinct l.relation)::integer as n from pg_locks l join pg_class c on c.oid = l.relation
          where l.pid = pg_backend_pid() and c.relkind = 'r' and c.relnamespace = 'app'::regnamespace`;
        return {
          locked: locks?.n,
          done: answer?.batch.done,
          purged: answer?.batch.step.rowsPurged,
        };
      });
      batches.push(batch);
    }
    await db.sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
    return { batches, backlog: measured?.backlog };
  };

  it('is purged many partitions a batch, and never more than a hundred', async () => {
    await createDays('deleted_at');
    await db.sql`update app.log set deleted_at = now() - interval '40 days'`;
    const { batches, backlog } = await batchesOf('app.log');
    expect(backlog).toMatchObject({ dueRows: days, dueRowsExact: true });
    expect(batches.at(-1)?.purged).toBe(days);
    for (const { locked } of batches) expect(locked).toBeLessThanOrEqual(100);
    expect(batches.length).toBeLessThan(days / 2);
  });

  it('has no partition opened of which the bounds say that nothing in it is due', async () => {
    await createDays('day');
    await db.sql`analyze app.log`;
    const other = db.connect();
    try {
      // Of the last thirty days, none is due.
      const recent = Array.from({ length: 30 }, (_, n) => `app.log_${n}`);
      await other.unsafe(`begin; lock table ${recent.join(', ')} in access exclusive mode`);
      const { batches, backlog } = await batchesOf('app.log');
      expect(backlog).toMatchObject({ dueRows: days - 30 - 1, totalRows: days });
      expect(batches.at(-1)?.purged).toBe(days - 30 - 1);
    } finally {
      await other.unsafe('rollback');
      await other.end();
    }
  });

  it.each([
    ['measured for a run', 'select nightshift.measure_retention_backlog($run, $relation)'],
    [
      'measured with others',
      'select nightshift.measure_retention_backlogs($run, array[$relation])',
    ],
    ['previewed', 'select nightshift.preview_retention_purge()'],
    ['listed', 'select nightshift.list_retention_policies()'],
    ['checked', "select nightshift.get_health(array['backlog_age', 'soft_deletes'])"],
  ])('is %s with no lock kept on a partition', async (_, look) => {
    await createDays('deleted_at');
    await db.sql`update app.log set deleted_at = now() - interval '40 days' where id % 2 = 0`;
    await db.sql.begin(async (sql) => {
      const [begun] =
        await sql`select nightshift.begin_run('retention-purge', 'cli', dry_run => true) -> 'run' as run`;
      const { id, fence } = begun?.run ?? {};
      await sql`select nightshift.plan_retention_purge(${id}, ${fence})`;
      await sql.unsafe(look.replace('$run', `'${id}', ${fence}`).replace('$relation', "'app.log'"));
      const locks = await sql`
        select c.relname from pg_locks l join pg_class c on c.oid = l.relation
        where l.pid = pg_backend_pid() and c.relispartition and c.relnamespace = 'app'::regnamespace`;
      expect(locks).toHaveLength(0);
      await sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
    });
  });

  it('goes on behind a partition that was dropped or detached between two batches', async () => {
    await createDays('deleted_at');
    await db.sql`update app.log set deleted_at = now() - interval '40 days'`;
    const { run, report } = await runPurge(
      db,
      {},
      {
        beforeBatch: async (nth) => {
          if (nth === 1) await db.sql`drop table app.log_3`;
          if (nth === 2)
            await db.sql`alter table app.log detach partition ${db.sql(`app.log_${days - 1}`)}`;
        },
      },
    );
    expect(run.status).toBe('succeeded');
    const [left] = await db.sql`select count(*)::integer as n from app.log`;
    expect(left?.n).toBe(0);
    const [detached] =
      await db.sql`select count(*)::integer as n from ${db.sql(`app.log_${days - 1}`)}`;
    expect(detached?.n).toBe(1);
    expect(report.steps[0]?.rowsPurged).toBe(days - 2);
  });

  it('is gone on with from the cursor of a run that knew one leaf at a time', async () => {
    await createDays('deleted_at');
    await db.sql`update app.log set deleted_at = now() - interval '40 days'`;
    const [begun] =
      await db.sql`select nightshift.begin_run('retention-purge', 'cli') -> 'run' as run`;
    const { id, fence } = begun?.run ?? {};
    await db.sql`select nightshift.plan_retention_purge(${id}, ${fence})`;
    await db.sql`select nightshift.measure_retention_backlog(${id}, ${fence}, 'app.log')`;
    await db.sql`
      update nightshift.runs r set progress = jsonb_set(r.progress, '{steps,app.log}', jsonb_build_object('cursor', jsonb_build_object(
        'leaf', 'app.log_100'::regclass::oid::bigint, 'mode', 'index', 'after', '-infinity', 'leafDone', false
      )))`;
    for (let done = false; !done; ) {
      const [row] =
        await db.sql`select nightshift.purge_batch(${id}, ${fence}, 'app.log', 1000) as batch`;
      done = row?.batch.done;
    }
    await db.sql`select nightshift.finish_run(${id}, ${fence}, 'succeeded')`;
    const [left] =
      await db.sql`select count(*)::integer as n, min(current_date - day) as first, max(current_date - day) as last from app.log`;
    expect(left).toEqual({ n: 100, first: 0, last: 99 });
  });
});
