import { createClient } from '@supabase/supabase-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase } from '../support/database.ts';
import { until } from '../support/waiting.ts';

/** What a database administrator tried in order to lose a row, and what came of it. */
const db = setUpDatabase();

beforeEach(() =>
  db.sql.unsafe(`
    create schema app;
    create table app.orders (id integer primary key, deleted_at timestamptz);
    create index on app.orders (deleted_at);
    insert into app.orders select i, case when i <= 10 then now() - interval '40 days' end from generate_series(1, 100) i;
    select nightshift.add_retention_policy('app.orders', '30 days');
  `),
);
afterEach(() =>
  db.sql.unsafe(`
    set lock_timeout = '3s';
    drop schema app cascade; drop schema if exists app_new cascade; drop schema if exists app_old cascade;
    delete from nightshift.retention_policies where true; delete from nightshift.runs where true;
  `),
);

const ids = async (table: string) =>
  (await db.sql.unsafe(`select id from ${table} order by id`)).map(({ id }) => id);
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

async function begin() {
  const [begun] =
    await db.sql`select nightshift.begin_run('retention-purge', 'cli') -> 'run' as run`;
  const { id, fence } = begun?.run ?? {};
  await db.sql`select nightshift.plan_retention_purge(${id}, ${fence})`;
  await db.sql`select nightshift.measure_retention_backlog(${id}, ${fence}, 'app.orders')`;
  return (sql = db.sql, rows = 1_000) =>
    sql`select nightshift.purge_batch(${id}, ${fence}, 'app.orders', ${rows}) as batch`;
}

function waitingForLock(call: string) {
  return until(`${call} waits for a lock`, async () => {
    const waiting = await db.sql`
      select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like ${`%${call}%`}`;
    return waiting.length > 0;
  });
}

/** Like the job: a lock that was not to be had within the second of a batch is asked for again. */
async function askAgain(batch: () => PromiseLike<unknown>): Promise<{ code: string } | undefined> {
  for (;;) {
    try {
      await batch();
      return undefined;
    } catch (thrown) {
      const error = thrown as { code: string };
      if (error.code !== '55P03' && error.code !== 'NS425') return error;
    }
  }
}

/** Runs a batch while another session holds what `statements` have done, and commits once the batch waits for it. */
async function duringMigration(statements: string) {
  const batch = await begin();
  const migration = db.connect();
  const purging = db.connect();
  await migration`begin`;
  await migration.unsafe(statements);
  const purged = askAgain(() => batch(purging));
  await waitingForLock('purge_batch');
  await migration`commit`;
  return purged;
}

describe('a migration that the batch has to wait for', () => {
  it('and that adds a foreign key: nothing is cascaded away', async () => {
    await db.sql.unsafe(`
      create table app.notes (id integer primary key, order_id integer);
      create index on app.notes (order_id);
      insert into app.notes select i, i from generate_series(1, 100) i;
    `);
    await duringMigration(
      'alter table app.notes add foreign key (order_id) references app.orders on delete cascade',
    );
    expect(await ids('app.notes')).toEqual(range(1, 100));
    expect(await ids('app.orders')).toEqual(range(1, 100));
  });

  it('and that swaps two tables by name: neither loses a row that was not due', async () => {
    await db.sql.unsafe(`
      create table app.orders_new (like app.orders including all);
      insert into app.orders_new select i, now() - interval '90 days' from generate_series(1, 100) i;
    `);
    await duringMigration(
      'alter table app.orders rename to orders_old; alter table app.orders_new rename to orders',
    );
    expect((await ids('app.orders_old')).filter((id) => id > 10)).toEqual(range(11, 100));
    expect(await ids('app.orders')).toEqual(range(1, 100));
  });

  it('and that changes the type of the marker: the cutoff is of the new type', async () => {
    await db.sql.unsafe(`
      alter database ${new URL(db.url).pathname.slice(1)} set timezone = 'America/Los_Angeles';
      alter table app.orders alter deleted_at type timestamp using deleted_at at time zone 'UTC';
      update app.orders set deleted_at = (now() at time zone 'UTC') - interval '29 days 20 hours' where id <= 10;
    `);
    await duringMigration(
      "alter table app.orders alter deleted_at type timestamptz using deleted_at at time zone 'UTC'",
    );
    expect(await ids('app.orders')).toEqual(range(1, 100));
    await db.sql.unsafe(`alter database ${new URL(db.url).pathname.slice(1)} reset timezone`);
  });
});

describe('the session that calls', () => {
  it.each(['Asia/Shanghai', 'Asia/Kolkata', 'America/New_York'])(
    'in %s with an odd date style makes no row due early',
    async (zone) => {
      await db.sql`update app.orders set deleted_at = now() - interval '30 days' + interval '1 minute' where id <= 10`;
      const batch = await begin();
      const session = db.connect();
      await session.unsafe(`set timezone = '${zone}'; set datestyle = 'SQL, DMY'`);
      await batch(session);
      expect(await ids('app.orders')).toHaveLength(100);

      await db.sql`update app.orders set deleted_at = now() - interval '30 days' - interval '1 minute' where id <= 10`;
      const session2 = db.connect();
      await db.sql`delete from nightshift.runs where true`;
      const again = await begin();
      await session2.unsafe(`set timezone = '${zone}'; set datestyle = 'SQL, DMY'`);
      await again(session2);
      expect(await ids('app.orders')).toEqual(range(11, 100));
    },
  );

  it('makes no row due early by a start in the future', async () => {
    await db.sql`update app.orders set deleted_at = now() - interval '1 day' where id <= 10`;
    const [begun] = await db.sql`
      select nightshift.begin_run('retention-purge', 'cli', as_of => now() + interval '10 years') -> 'run' as run`;
    const { id, fence } = begun?.run ?? {};
    await db.sql`select nightshift.plan_retention_purge(${id}, ${fence})`;
    await db.sql`select nightshift.purge_batch(${id}, ${fence}, 'app.orders', 1000)`;
    expect(await ids('app.orders')).toHaveLength(100);
  });

  it('cannot shadow a type with one of its own to run code as the owner', async () => {
    const attacker = db.connect();
    await attacker.unsafe(`
      create function pg_temp.pwn() returns boolean language plpgsql as $$ begin raise exception 'ran as %', current_user; end $$;
      create domain pg_temp.jsonb as pg_catalog.jsonb check (pg_temp.pwn());
    `);
    const [begun] =
      await attacker`select nightshift.begin_run('another-job', 'cli') ->> 'outcome' as outcome`;
    expect(begun?.outcome).toBe('started');
  });

  it('gains no right to delete by declaring a policy', async () => {
    await db.sql.unsafe(`
      create table app.ledger (id integer, created_at timestamptz); create index on app.ledger (created_at);
      grant usage on schema app to service_role;
    `);
    const { url, secretKey } = await db.gateway();
    const api = createClient(url, secretKey, { auth: { persistSession: false } }).schema(
      'nightshift',
    );
    const policy = { relation: 'app.ledger', drop_after: '1 day', marker_column: 'created_at' };
    const refused = await api.rpc('add_retention_policy', policy);
    expect(refused.error).toMatchObject({
      code: 'NS422',
      message: 'service_role may not delete rows of app.ledger',
      hint: 'Declare the policy as the owner of the table, or: grant delete on app.ledger to service_role;',
    });
    await db.sql`grant delete on app.ledger to service_role`;
    expect((await api.rpc('add_retention_policy', policy)).error).toBeNull();
  });

  it('cannot have its own code run by owning the table or one that refers to it', async () => {
    await db.sql.unsafe(`
      create role mallory_${process.pid};
      create table app.refers (order_id integer references app.orders); create index on app.refers (order_id);
      alter table app.refers owner to mallory_${process.pid};
    `);
    const batch = await begin();
    await expect(batch()).rejects.toMatchObject({
      code: 'NS422',
      message: `app.refers belongs to mallory_${process.pid}`,
    });
    await db.sql.unsafe(
      `alter table app.refers owner to postgres; drop role mallory_${process.pid}`,
    );
    expect(await ids('app.orders')).toHaveLength(100);
  });
});

describe('a policy that changes while a batch runs', () => {
  it('is gone for good once remove_retention_policy has returned', async () => {
    await db.sql.unsafe(`
      create function app.gate() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock_shared(4711); return old; end $$;
      create trigger gate before delete on app.orders for each row execute function app.gate();
    `);
    const batch = await begin();
    const gatekeeper = db.connect();
    await gatekeeper`select pg_advisory_lock(4711)`;
    const purged = batch(db.connect()).execute();
    await waitingForLock('purge_batch');
    const removed = db.connect()`select nightshift.remove_retention_policy('app.orders')`.execute();
    await waitingForLock('remove_retention_policy');
    await gatekeeper`select pg_advisory_unlock(4711)`;
    await Promise.all([purged, removed]);
    const left = await ids('app.orders');
    await expect(batch()).rejects.toMatchObject({ code: 'NS404' });
    expect(await ids('app.orders')).toEqual(left);
  });

  it('cannot widen what the brake has let through', async () => {
    await db.sql`update app.orders set deleted_at = now() - interval '20 days' where id > 10`;
    await db.sql`insert into app.orders select i from generate_series(101, 1000) i`;
    await db.sql`update app.orders set deleted_at = now() - interval '20 days' where id <= 600 and id > 10`;
    const batch = await begin();
    await db.sql`select nightshift.alter_retention_policy('app.orders', '10 days')`;
    await expect(batch()).rejects.toMatchObject({ code: 'NS428' });
    expect(await ids('app.orders')).toHaveLength(1_000);
  });
});

it('counts each row once when an index walk meets too many equal markers and turns into a sweep', async () => {
  await db.sql.unsafe(`
    create table app.lines (order_id integer references app.orders); create index on app.lines (order_id);
    insert into app.orders select i, now() - interval '50 days' + i * interval '1 second' from generate_series(101, 150) i;
    insert into app.orders select i, now() - interval '35 days' from generate_series(151, 250) i;
    insert into app.orders select i from generate_series(251, 1000) i;
    insert into app.lines select i from generate_series(101, 130) i;
    analyze app.orders;
  `);
  const batch = await begin();
  const session = db.connect();
  await session`set enable_seqscan = off`;
  for (let done = false; !done; ) {
    const [answer] = await batch(session, 10);
    done = answer?.batch.done;
    if (done) expect(answer?.batch.step).toMatchObject({ rowsPurged: 130, rowsBlocked: 30 });
  }
});
