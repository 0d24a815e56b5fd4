import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Stop, stoppedByHand } from '../../functions/_shared/stop.ts';
import { startGateway } from '../../infra/local/gateway.ts';
import { expireLease, setUpDatabase, startAfresh, type TestDatabase } from '../support/database.ts';
import { endless } from '../support/deadline.ts';
import { auditDeletes, closeGate, deletedIds, runPurge, stepOf } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';
import { apiIsIdle, until } from '../support/waiting.ts';

const items = 'app.items';
const orders = 'app.orders';

/** Due rows, ten to a page. */
async function createTable(db: TestDatabase, relation: string, rows: number) {
  await db.sql.unsafe(`
    create table ${relation} (
      id integer primary key, deleted_at timestamptz, filler text not null default repeat('x', 700)
    );
    insert into ${relation}
    select id, now() - interval '40 days' + id * interval '1 second' from generate_series(1, ${rows}) id;
    create index on ${relation} (deleted_at);
    analyze ${relation};
    select nightshift.add_retention_policy('${relation}', '30 days', max_fraction => 1);
  `);
  await auditDeletes(db.sql, relation);
}

/** Makes rows slow to delete: all of a table, or those of which a condition is true. */
const slowDown = (db: TestDatabase, relation: string, ms: number, condition = 'true') =>
  db.sql.unsafe(`
    create function app.take_time() returns trigger language plpgsql as $$
    begin perform pg_catalog.pg_sleep(${ms} / 1000.0); return null; end $$;
    create trigger slow after delete on ${relation} for each row when (${condition})
    execute function app.take_time();
  `);

async function runningRun(db: TestDatabase) {
  const [run] = await db.sql`
    select id, (progress #>> '{steps,app.items,rowsPurged}')::int as rows_purged
    from nightshift.runs where status = 'running'`;
  return run;
}

const dropConnections = (db: TestDatabase) => db.sql`
  select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and usename = 'authenticator'`;

/** Time for retries until the outage, none after it: then a run that cannot go on ends at once. */
function deadlineOf(remainingMs: number) {
  let remaining = remainingMs;
  return {
    deadline: { remainingMs: () => remaining },
    runOut: () => {
      remaining = 0;
    },
  };
}

describe('a statement timeout of 200 ms', () => {
  const db = setUpDatabase();
  beforeAll(async () => {
    await db.sql`alter function nightshift.purge_batch set statement_timeout = '200ms'`;
  });
  beforeEach(() => startAfresh(db.sql));

  it('does not keep a backlog from draining that takes longer as a whole', async () => {
    await createTable(db, items, 600);
    await slowDown(db, items, 1);
    const result = await runPurge(db);
    expect(result.run.status).toBe('succeeded');
    expect(stepOf(result, items)).toMatchObject({ dueRows: 600, rowsPurged: 600, rowsLeft: 0 });
    expect(stepOf(result, items).durationMs).toBeGreaterThan(600);
    expect(stepOf(result, items).timedOutMs).toBeGreaterThan(0);
    expect(await deletedIds(db.sql)).toEqual(range(1, 600));
  });

  it('ends the step of a table with one row that is slower, with a hint, and goes on with others', async () => {
    await createTable(db, items, 30);
    await createTable(db, orders, 5);
    await slowDown(db, items, 400, 'old.id = 25');
    let batches = 0;
    const result = await runPurge(db, {}, { beforeBatch: () => ++batches });
    expect(result.run.status).toBe('partial');
    const step = stepOf(result, items);
    expect(step).toMatchObject({
      status: 'failed',
      error: { code: '57014', hint: expect.stringContaining('slow triggers') },
    });
    expect(step.rowsPurged + step.rowsLeft).toBe(30);
    expect(stepOf(result, orders)).toMatchObject({ status: 'succeeded', rowsPurged: 5 });
    expect(await idsOf(db.sql, items)).toContain(25);
    expect((await deletedIds(db.sql)).length).toBe(step.rowsPurged + 5);
    expect(batches).toBeLessThan(21);
  });

  it('does not keep a table from draining in which one long chain of references is needed', async () => {
    await createTable(db, items, 350);
    await db.sql.unsafe(`
      alter table app.items add column previous integer references app.items;
      create index on app.items (previous);
      update app.items set previous = id - 1 where id between 2 and 300;
      insert into app.items (id, previous) values (1000, 300);
    `);
    await runPurge(db);
    expect(await deletedIds(db.sql)).toEqual(range(301, 350));
  });

  it('does not keep a page from draining whose rows together take longer', async () => {
    await createTable(db, items, 8);
    await slowDown(db, items, 60);
    const result = await runPurge(db);
    expect(stepOf(result, items).error).toBeUndefined();
    expect(await deletedIds(db.sql)).toEqual(range(1, 8));
  });
});

describe('an outage', () => {
  const db = setUpDatabase();
  beforeEach(() => startAfresh(db.sql));

  const startOwnGateway = (schemas = ['public', 'nightshift']) =>
    startGateway({ databaseUrl: db.url, schemas });

  it('of the gateway before the run is reported with the fix, and nothing is run', async () => {
    const gateway = await startOwnGateway();
    await gateway.close();
    const { deadline } = deadlineOf(500);
    await expect(runPurge(db, {}, { gateway, deadline })).rejects.toMatchObject({
      code: 'NS503',
      message: expect.stringMatching(/^Supabase could not be reached at 127\.0\.0\.1:\d+$/),
      detail: expect.stringMatching(/ECONNREFUSED|fetch failed/),
      hint: expect.stringContaining('SUPABASE_URL'),
    });
    expect(await runningRun(db)).toBeUndefined();
  });

  it('of the gateway in mid-batch ends the run; the ledger is true, and the next run finishes', async () => {
    await createTable(db, items, 300);
    const gate = await closeGate(db, items, 120);
    const gateway = await startOwnGateway();
    const { deadline, runOut } = deadlineOf(60_000);
    const [ended] = await Promise.allSettled([
      runPurge(db, {}, { gateway, deadline, batchRows: 50 }),
      gate.reached().then(runOut).then(gateway.close).then(gate.open),
    ]);
    expect(ended).toMatchObject({ status: 'rejected', reason: { code: 'NS503' } });
    await until('the server has let go', () => apiIsIdle(db.sql));

    const died = await runningRun(db);
    expect(died?.rows_purged).toBe((await deletedIds(db.sql)).length);
    await expireLease(db.sql);
    const next = await runPurge(db);
    expect(next.run.status).toBe('succeeded');
    expect(next.report.rowsPurged).toBe(300 - died?.rows_purged);
    expect(await deletedIds(db.sql)).toEqual(range(1, 300));
  });

  it('of the database connections in mid-batch is retried, and no row is counted twice', async () => {
    await createTable(db, items, 200);
    const gate = await closeGate(db, items, 120);
    const [result] = await Promise.all([
      runPurge(db, {}, { batchRows: 50 }),
      gate
        .reached()
        .then(() => dropConnections(db))
        .then(gate.open),
    ]);
    expect(result.run.status).toBe('succeeded');
    expect(stepOf(result, items)).toMatchObject({ dueRows: 200, rowsPurged: 200, rowsLeft: 0 });
    expect(await deletedIds(db.sql)).toEqual(range(1, 200));
  });

  it('of the database connections between all batches is retried as well', async () => {
    await createTable(db, items, 40);
    const result = await runPurge(
      db,
      {},
      { batchRows: 10, beforeBatch: async () => void (await dropConnections(db)) },
    );
    expect(result.run.status).toBe('succeeded');
    expect(await deletedIds(db.sql)).toEqual(range(1, 40));
  });

  it('of the database for longer than the retries ends the run, and the next one finishes', async () => {
    await createTable(db, items, 200);
    const gate = await closeGate(db, items, 120);
    const [database] = await db.sql`select current_database() as name`;
    const limitConnections = (limit: number) =>
      db.sql.unsafe(`alter database "${database?.name}" connection limit ${limit}`);
    const { deadline, runOut } = deadlineOf(60_000);
    const [ended] = await Promise.allSettled([
      runPurge(db, {}, { deadline, batchRows: 50 }),
      gate
        .reached()
        .then(runOut)
        // The limit does not hold for the owner of the cluster, and so not for the connections of this test.
        .then(() => limitConnections(0))
        .then(() => dropConnections(db))
        .then(gate.open),
    ]);
    await limitConnections(-1);
    expect(ended).toMatchObject({
      status: 'rejected',
      reason: { code: expect.stringMatching(/^PGRST00[01]$/) },
    });
    await until('the server has let go', () => apiIsIdle(db.sql));
    expect((await runningRun(db))?.rows_purged).toBe((await deletedIds(db.sql)).length);
    await expireLease(db.sql);
    expect((await runPurge(db)).run.status).toBe('succeeded');
    expect(await deletedIds(db.sql)).toEqual(range(1, 200));
  });

  it('by a wrong key is named as such, with the setting to mend', async () => {
    const { url } = await db.gateway();
    await expect(
      runPurge(db, {}, { gateway: { url, secretKey: 'sb_secret_wrong' } }),
    ).rejects.toMatchObject({
      message: 'Supabase refused the API key',
      hint: expect.stringContaining('SUPABASE_SECRET_KEY'),
      retryable: false,
    });
  });

  it('by a publishable key is named as such', async () => {
    const { url, publishableKey } = await db.gateway();
    await expect(
      runPurge(db, {}, { gateway: { url, secretKey: publishableKey } }),
    ).rejects.toMatchObject({ code: '42501', hint: expect.stringContaining('secret key') });
  });

  it('by a schema that is not exposed is named as such', async () => {
    const gateway = await startOwnGateway(['public']);
    try {
      await expect(runPurge(db, {}, { gateway })).rejects.toMatchObject({
        code: 'PGRST106',
        hint: expect.stringContaining('Add nightshift to the exposed schemas'),
      });
    } finally {
      await gateway.close();
    }
  });
});

describe('locks of other sessions', () => {
  const db = setUpDatabase();
  // Once a table is locked, the gateway could not read the schema any more to start.
  beforeAll(async () => {
    await db.gateway();
  });
  // It reads the schema when it starts, which a locked table would keep it from.
  beforeAll(async () => {
    await db.gateway();
  });
  beforeEach(() => startAfresh(db.sql));

  const waitingLock = (...modes: string[]) =>
    until(`someone waits for ${modes} on app.items`, async () => {
      const waiting = await db.sql`
        select from pg_locks
        where relation = ${items}::regclass and mode = any(${modes}) and not granted`;
      return waiting.length > 0;
    });

  it('on a whole table fail its step after a bounded time and leave the others theirs', async () => {
    await createTable(db, items, 20);
    await createTable(db, orders, 20);
    const user = db.connect();
    await user`begin`;
    await user`lock table app.items in access exclusive mode`;
    const result = await runPurge(db, {}, { deadline: endless(10_000) });
    await user`rollback`;
    expect(stepOf(result, items)).toMatchObject({
      status: 'failed',
      error: {
        code: 'NS425',
        message: expect.stringMatching(/^app\.items is locked by process \d+$/),
      },
    });
    expect(stepOf(result, orders)).toMatchObject({ status: 'succeeded', rowsPurged: 20 });
    expect(result.run.status).toBe('partial');
  });

  it.each([
    ['which they are read for', 'app.children', 'share'],
    ['of children', 'app.children', 'access exclusive'],
    ['of children, on a partition', 'app.children_0', 'share'],
    ['that merely refers', 'app.others', 'access exclusive'],
    ['of its own, on a partition', 'app.orders_1', 'share'],
  ])('on a table %s are told of with its name: %s in %s mode', async (_, held, mode) => {
    await db.sql.unsafe(`
      create table app.orders (id integer primary key, deleted_at timestamptz) partition by list (id);
      create table app.orders_1 partition of app.orders for values in (1);
      create table app.children (order_id integer references app.orders) partition by hash (order_id);
      create table app.children_0 partition of app.children for values with (modulus 1, remainder 0);
      create index on app.children (order_id);
      create table app.others (order_id integer references app.orders);
      insert into app.orders values (1, now() - interval '40 days');
      select nightshift.add_retention_policy('app.orders', '30 days', with_children => array['app.children']);
    `);
    const user = db.connect();
    await user`begin`;
    await user.unsafe(`lock table ${held} in ${mode} mode`);
    const result = await runPurge(db, {}, { deadline: endless(10_000) });
    const [session] = await user`select pg_backend_pid() as pid`;
    await user`rollback`;
    expect(stepOf(result, 'app.orders')).toMatchObject({
      rowsPurged: 0,
      error: { code: 'NS425', message: `${held} is locked by process ${session?.pid}` },
    });
  });

  it('on a whole table are waited for again until they are gone', async () => {
    await createTable(db, items, 20);
    const user = db.connect();
    const lockUntilWaitedFor = async () => {
      await user`begin`;
      await user`lock table app.items in access exclusive mode`;
      locked = waitingLock('RowExclusiveLock', 'RowShareLock', 'AccessShareLock').then(
        () => user`commit`,
      );
    };
    let locked: Promise<unknown> | undefined;
    const result = await runPurge(
      db,
      {},
      { batchRows: 10, beforeBatch: (nth) => nth === 2 && lockUntilWaitedFor() },
    );
    await locked;
    expect(result.run.status).toBe('succeeded');
    expect(await deletedIds(db.sql)).toEqual(range(1, 20));
  });

  it('never make a third session queue behind the purge for longer than its lock timeout', async () => {
    await createTable(db, items, 20);
    const indexing = db.connect();
    const third = db.connect();
    await indexing`begin`;
    await indexing`lock table app.items in share mode`;
    const queueBehindThePurge = async () => {
      await waitingLock('RowExclusiveLock');
      // This lock goes along with the one that is held: only the purge is in its way.
      await third`begin`;
      await third`set local lock_timeout = '3s'`;
      await third`lock table app.items in share mode`;
      await third`commit`;
      await indexing`commit`;
    };
    const [result] = await Promise.all([runPurge(db), queueBehindThePurge()]);
    expect(result.run.status).toBe('succeeded');
    expect(await deletedIds(db.sql)).toEqual(range(1, 20));
  });

  it('on all due rows make a run that deletes nothing a failed one, and the reason says why', async () => {
    await createTable(db, items, 20);
    const user = db.connect();
    await user`begin`;
    await user`select from app.items for update`;
    const result = await runPurge(db);
    await user`rollback`;
    expect(result.run.status).toBe('failed');
    expect(stepOf(result, items)).toMatchObject({
      status: 'failed',
      rowsPurged: 0,
      rowsLeft: 20,
      reason: '20 locked or changed by other sessions meanwhile',
    });
    expect((await runPurge(db)).run.status).toBe('succeeded');
  });
});

describe('a deadline', () => {
  const db = setUpDatabase();
  beforeEach(() => startAfresh(db.sql));

  it('that comes in mid-run ends it as continued, and resuming finishes, each row once', async () => {
    await createTable(db, items, 600);
    await createTable(db, orders, 5);
    const { deadline, runOut } = deadlineOf(60_000);
    const first = await runPurge(
      db,
      {},
      { deadline, batchRows: 50, beforeBatch: (nth) => nth === 5 && runOut() },
    );
    expect(first.run.status).toBe('continued');
    const goneSoFar = (await deletedIds(db.sql)).length;
    expect(goneSoFar).toBeGreaterThan(0);
    expect(goneSoFar).toBeLessThan(600);
    expect(stepOf(first, items)).toMatchObject({
      status: 'partial',
      rowsPurged: goneSoFar,
      rowsLeft: 600 - goneSoFar,
      reason: `time ran out, with at most ${600 - goneSoFar} due rows not looked at; the next run goes on from here`,
    });

    const { id, attempt } = first.run;
    const second = await runPurge(db, {}, { resume: { runId: id, attempt } });
    expect(second.run).toMatchObject({ id, attempt: 2, status: 'succeeded' });
    expect(stepOf(second, items)).toMatchObject({ dueRows: 600, rowsPurged: 600, rowsLeft: 0 });
    expect(stepOf(second, orders)).toMatchObject({ rowsPurged: 5 });
    expect(await deletedIds(db.sql)).toEqual(
      [...range(1, 5), ...range(1, 600)].toSorted((a, b) => a - b),
    );
  });

  it('that comes in the turn of one table takes nothing from those that have had theirs', async () => {
    await createTable(db, items, 600);
    await createTable(db, orders, 600);
    const { deadline, runOut } = deadlineOf(60_000);
    const turns = new Set<string>();
    const result = await runPurge(
      db,
      {},
      {
        deadline,
        batchRows: 50,
        beforeBatch: (_, relation) => turns.add(relation).size === 2 && runOut(),
      },
    );
    const [done = '', cut = ''] = turns;
    expect(stepOf(result, done)).toMatchObject({
      status: 'succeeded',
      rowsPurged: 600,
      rowsLeft: 0,
      rowsLeftExact: true,
      fixes: [],
    });
    expect(stepOf(result, done)).not.toHaveProperty('reason');
    expect(stepOf(result, cut)).toMatchObject({
      status: 'partial',
      reason: expect.stringMatching(
        /^time ran out, with at most \d+ due rows not looked at; the next run goes on from here$/,
      ),
    });
  });

  it.each([
    ['the end', Number.POSITIVE_INFINITY],
    ['Ctrl-C', 2],
  ])(
    'or %s: what has gone along with rows of another table since is not counted as left',
    async (_, stoppedBefore) => {
      await createTable(db, orders, 30);
      await createTable(db, items, 30);
      await db.sql`alter table app.items add order_id integer references app.orders`;
      await db.sql`create index on app.items (order_id)`;
      await db.sql`update app.items set order_id = id`;
      await db.sql`select nightshift.alter_retention_policy('app.orders', with_children => array['app.items'])`;
      const user = db.connect();
      await user`begin`;
      await user`select from app.items where id > 5 for update`;
      const stop = new Stop();
      let ofOrders = 0;
      const result = await runPurge(
        db,
        {},
        {
          stop,
          batchRows: 10,
          beforeBatch: async (_, relation) => {
            if (relation === orders && ++ofOrders === 1) await user`rollback`;
            if (ofOrders === stoppedBefore) stop.raise(stoppedByHand('Ctrl-C'));
          },
        },
      );
      const [row] = await db.sql`select count(*)::integer as left from app.items`;
      expect(row?.left).toBeLessThan(25);
      expect(stepOf(result, items)).toMatchObject({
        dueRows: 30,
        rowsPurged: 5,
        rowsLeft: row?.left,
        rowsLeftExact: true,
      });
    },
  );

  it('too near for one batch makes the run failed, so that it does not call itself for ever', async () => {
    await createTable(db, items, 20);
    const result = await runPurge(db, {}, { deadline: endless(1_000) });
    expect(result.run.status).toBe('failed');
    expect(stepOf(result, items)).toMatchObject({ rowsPurged: 0, rowsLeft: 20 });
    expect(await deletedIds(db.sql)).toEqual([]);
  });
});
