import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../support/waiting.ts';
import { takeGuardAway } from './guardless.ts';
import { createWorld, type World } from './world.ts';

let world: World;
let sessions: postgres.Sql[] = [];
beforeAll(async () => {
  world = await createWorld("Supabase's postgres");
});
afterEach(async () => {
  await Promise.all(sessions.map((session) => session.end()));
  sessions = [];
});
afterAll(() => world.drop());

function connect(): postgres.Sql {
  const session = world.connect();
  sessions.push(session);
  return session;
}

interface Race {
  /** By a superuser, before. */
  given: string;
  /** By the role of low rights, in a transaction that is committed once the call waits for it. */
  meanwhile: string;
  job: string;
  /** Called as the owner; `lease` stands for the first two arguments. */
  call: (lease: string) => string;
  /** By a superuser, to take all of it away. */
  undo: string;
}

/** Makes the call while another session holds what it waits for; everything is undone afterwards. */
async function run({ given, meanwhile, job, call, undo }: Race, guarded: boolean) {
  const { admin, nameRoles } = world;
  await admin.unsafe(nameRoles(given));
  const owner = connect();
  const mallory = postgres(world.adminUrl, { max: 1, onnotice: () => {} });
  sessions.push(mallory);
  try {
    await owner`begin`;
    if (!guarded) await takeGuardAway(owner);
    const [begun] = await owner`
      select nightshift.begin_run(${job}, 'cli') -> 'run' as run, pg_backend_pid() as pid`;
    await mallory.unsafe(nameRoles(`begin; set local role <mallory>; ${meanwhile}`));
    await world.timesRun();
    const called = owner.unsafe(call(`'${begun?.run.id}', ${begun?.run.fence}`)).then(
      (rows) => JSON.stringify(rows),
      (error: { message: string }) => error.message,
    );
    let isOver = false;
    called.then(() => {
      isOver = true;
    });
    await until('the call waits for a lock, or was refused at once', async () => {
      const waiting = await admin`
        select from pg_stat_activity where pid = ${begun?.pid} and wait_event_type = 'Lock'`;
      return isOver || waiting.length > 0;
    });
    await mallory`commit`;
    return { said: await called, ran: await world.timesRun() };
  } finally {
    await owner`rollback`;
    await admin.unsafe(nameRoles(undo));
  }
}

describe('what is hung on a table while a call waits for its lock is seen', () => {
  it.each<[string, Race]>([
    [
      'a foreign key to a table whose partition is to be detached',
      {
        given: 'grant references on app.metrics to <mallory>',
        meanwhile: `
          create table mallory.bait (at timestamptz, foreign key (at) references app.metrics (at));
          create index on mallory.bait (at) where mallory.evil(1)`,
        job: 'partition-maintenance',
        call: (lease) => `select nightshift.retire_partitions(${lease}, 'app.metrics', 5000)`,
        undo: 'drop table mallory.bait; revoke references on app.metrics from <mallory>',
      },
    ],
    [
      'a trigger on a table that is to be purged',
      {
        given: 'grant trigger on app.orders to <mallory>',
        meanwhile:
          'create trigger bait before delete on app.orders for each row execute function mallory.fire()',
        job: 'retention-purge',
        call: (lease) => `
          select nightshift.plan_retention_purge(${lease});
          update nightshift.runs set progress = progress || '{"backlogs": {"app.orders": {"totalRows": 100}}}';
          select nightshift.purge_batch(${lease}, 'app.orders', 1000);
          -- A batch that waited long for the lock leaves the table to the next one.
          select nightshift.purge_batch(${lease}, 'app.orders', 1000)`,
        undo: 'drop trigger bait on app.orders; revoke trigger on app.orders from <mallory>',
      },
    ],
    [
      'a trigger on a table that a deletion cascades to',
      {
        given: 'grant trigger on app.lines to <mallory>',
        meanwhile:
          'create trigger bait after delete on app.lines for each statement execute function mallory.fire()',
        job: 'retention-purge',
        call: (lease) => `
          select nightshift.plan_retention_purge(${lease});
          update nightshift.runs set progress = progress || '{"backlogs": {"app.orders": {"totalRows": 100}}}';
          select nightshift.purge_batch(${lease}, 'app.orders', 1000);
          -- A batch that waited long for the lock leaves the table to the next one.
          select nightshift.purge_batch(${lease}, 'app.orders', 1000)`,
        undo: 'drop trigger bait on app.lines; revoke trigger on app.lines from <mallory>',
      },
    ],
    [
      'a view in the place of a table, by the owner of its schema',
      {
        given: `
          create schema lent authorization <mallory>; grant all on schema lent to <owner>;
          set role <owner>;
          create table lent.orders (id integer primary key, deleted_at timestamptz); create index on lent.orders (deleted_at);
          insert into nightshift.retention_policies (relation, drop_after, marker_column) values ('lent.orders', '30 days', 'deleted_at');
          reset role`,
        meanwhile: `
          drop table lent.orders;
          create view lent.orders as select 1 as id, now() as deleted_at where mallory.evil(1)`,
        job: 'retention-purge',
        call: (lease) => `
          update nightshift.runs set progress = jsonb_build_object('scope', jsonb_build_array('lent.orders'::regclass::oid::bigint),
            'steps', '{}'::jsonb, 'backlogs', '{"lent.orders": {"totalRows": 100}}'::jsonb);
          -- One that deletes holds the table first, and finds it gone.
          select nightshift.purge_batch(${lease}, 'lent.orders', 1000, assess => true)`,
        undo: `
          delete from nightshift.retention_policies where not exists (select from pg_class c where c.oid = relation);
          drop schema lent cascade`,
      },
    ],
  ])('%s', async (_, race) => {
    const would = await run(race, false);
    expect(would.ran, `without the guard: ${would.said}`).toBeGreaterThan(0);
    const { said, ran } = await run(race, true);
    expect(ran).toBe(0);
    expect(said).toContain(world.mallory);
  });
});

it('a partition is detached with locks where someone else may make a foreign key meanwhile', async () => {
  const { admin, nameRoles } = world;
  const owner = connect();
  await owner`begin`;
  const [begun] = await owner`
    select nightshift.begin_run('partition-maintenance', 'cli') -> 'run' as run`;
  const { id, fence } = begun?.run ?? {};
  const outcome = async () => {
    await owner`savepoint before_call`;
    const [row] = await owner`
      select nightshift.begin_detach(${id}, ${fence}, 'app.metrics') ->> 'outcome' as outcome`;
    await owner`rollback to before_call`;
    return row?.outcome;
  };
  const change = (text: string) => admin.unsafe(nameRoles(text));
  try {
    expect(await outcome()).toBe('ready');
    // Who cannot log in makes no table.
    await change('grant references (at) on app.metrics to <mallory>');
    expect(await outcome()).toBe('ready');
    await change('alter role <mallory> login');
    expect(await outcome()).toBe('lock');
    await change(
      'revoke references (at) on app.metrics from <mallory>; grant references on app.metrics to anon; grant anon to <mallory>',
    );
    expect(await outcome()).toBe('lock');
    await change('revoke anon from <mallory>');
    expect(await outcome()).toBe('ready');
  } finally {
    await owner`rollback`;
    await change('revoke references on app.metrics from anon; alter role <mallory> nologin');
  }
});
