import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { withDirect } from '../support/direct.ts';
import {
  allIds,
  createLogs,
  dueLogs,
  logs,
  openTransaction,
  partitionsOf,
  runMaintenance,
  stepOf,
} from '../support/partitions.ts';
import { until, waiting } from '../support/waiting.ts';

const [d10, d9] = dueLogs;
const retiring = ", retention => '8 days', retire => 'drop'";

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

/** Rows of another table that refer to rows of a day. */
async function referTo(day: number, action: string): Promise<void> {
  await db.sql.unsafe(`
    create table app.notes (
      id integer primary key, log_id bigint, log_at timestamptz,
      foreign key (log_id, log_at) references app.logs (id, at) on delete ${action}
    );
    create index on app.notes (log_id, log_at);
    insert into app.notes select row_number() over (), id, at from app.logs
    where at >= app.day(${day}) and at < app.day(${day + 1}) limit 3;
  `);
}
const notes = async () => (await db.sql`select from app.notes where log_id is not null`).length;

describe.each(['no action', 'cascade', 'set null'])('rows referred to on delete %s', (action) => {
  it('keep their partition from being retired, which says why; the other goes', async () => {
    await createLogs(db.sql, { policy: retiring });
    await referTo(-10, action);
    const before = await allIds(db.sql);
    const run = await withDirect(db.url, (direct) => runMaintenance(db, {}, { direct }));
    expect(run.run.status).toBe('partial');
    expect(stepOf(run, logs)).toMatchObject({
      retired: [{ partition: d9 }],
      blocked: [
        {
          partition: d10,
          reason: expect.stringContaining('notes_log_id_log_at_fkey on app.notes'),
        },
      ],
    });
    expect(await notes()).toBe(3);
    expect(await allIds(db.sql)).toEqual(before);

    await db.sql`delete from app.notes`;
    expect((await runMaintenance(db)).report.partitionsRetired).toBe(1);
    expect(await allIds(db.sql)).toEqual(before);
  });

  it('and inserted while it is being detached keep it too', async () => {
    await createLogs(db.sql);
    await runMaintenance(db);
    await db.sql.unsafe(`select nightshift.alter_partition_policy('${logs}' ${retiring})`);
    await referTo(0, action);
    const user = await openTransaction(
      db,
      'insert into app.notes select 77, id, at from app.logs where id = 10001',
    );
    let turns = 0;
    const beforeCall = (name: string) =>
      name === 'retire_partitions' && ++turns === 3 && user`commit`;
    const run = await runMaintenance(db, {}, { beforeCall });
    expect(stepOf(run, logs)).toMatchObject({
      retired: [{ partition: d9 }],
      blocked: [{ partition: d10 }],
    });
    expect(await notes()).toBe(4);
  });

  it('stay in the default partition with their references; there is room ahead all the same', async () => {
    await createLogs(db.sql, { withDefault: true });
    await referTo(-4, action);
    const before = await allIds(db.sql);
    const run = await runMaintenance(db);
    expect(run.run.status).toBe('partial');
    expect(stepOf(run, logs)).toMatchObject({
      status: 'partial',
      error: { code: 'NS422', message: expect.stringContaining('notes_log_id_log_at_fkey') },
    });
    expect(stepOf(run, logs).horizonDays).toBeGreaterThanOrEqual(4);
    expect(await notes()).toBe(3);
    expect(await allIds(db.sql)).toEqual(before);
    expect(await db.sql`select from app.logs_default where id / 1000 = 16`).toHaveLength(10);

    await db.sql`delete from app.notes`;
    expect((await runMaintenance(db)).run.status).toBe('succeeded');
    expect(await db.sql`select from app.logs_default where id / 1000 = 16`).toHaveLength(0);
    expect(await allIds(db.sql)).toEqual(before);
  });
});

describe('triggers of the default partition', () => {
  it('do not fire when rows move, in no state, and are as they were afterwards', async () => {
    await createLogs(db.sql, { withDefault: true });
    await db.sql.unsafe(`
      create table app.fired (what text);
      create function app.note_firing() returns trigger language plpgsql as $$
      begin
        insert into app.fired values (tg_name || ' ' || tg_op);
        return coalesce(new, old);
      end $$;
    `);
    const states = {
      origin: '',
      replica: 'enable replica',
      always: 'enable always',
      off: 'disable',
    };
    const kinds = { before_row: 'before', after_row: 'after', after_statement: 'after' };
    for (const [kind, timing] of Object.entries(kinds)) {
      for (const [name, state] of Object.entries(states)) {
        const level = kind.endsWith('row') ? 'row' : 'statement';
        await db.sql.unsafe(`
          create trigger "${kind} ${name}" ${timing} insert or update or delete on app.logs_default
          for each ${level} execute function app.note_firing();
          ${state && `alter table app.logs_default ${state} trigger "${kind} ${name}"`};
        `);
      }
    }
    await db.sql.unsafe(`
      create trigger of_table after insert or delete on app.logs for each row execute function app.note_firing();
      create constraint trigger at_commit after insert or delete on app.logs_default
      deferrable initially deferred for each row execute function app.note_firing();
      alter table app.logs_default enable always trigger of_table;
    `);
    const triggers = () =>
      db.sql`select tgname, tgenabled, tgdeferrable from pg_trigger where tgrelid = 'app.logs_default'::regclass order by 1`;
    const before = await triggers();
    const run = await runMaintenance(db);
    expect(run).toMatchObject({ run: { status: 'succeeded' }, report: { rowsMoved: 30 } });
    expect(await triggers()).toEqual(before);
    expect(await db.sql`select * from app.fired`).toEqual([]);
    await db.sql`insert into app.logs values (1, app.day(-4)), (2, app.day(300))`;
    expect(
      await db.sql`select distinct what from app.fired where what like 'of_table%'`,
    ).toHaveLength(1);
  });
});

describe('a transaction that writes both the table and one at the other end of a foreign key', () => {
  it.each([
    ['it refers to', ', user_id integer references app.others', 'unique (id)'],
    ['refers to it', '', 'foreign key (id, at) references app.logs (id, at)'],
  ])('is in no deadlock with rows that move when the other %s', async (_, columns, key) => {
    const createOthers = (constraint: string) =>
      db.sql.unsafe(`
        create table app.others (id integer primary key, at timestamptz, name text, ${constraint});
        insert into app.others (id) values (1)`);
    if (columns) await createOthers(key);
    await createLogs(db.sql, { withDefault: true, columns });
    if (!columns) await createOthers(key);
    await db.sql.unsafe(`
      create function app.gate() returns boolean language plpgsql as $$
      begin
        perform pg_advisory_xact_lock_shared(77);
        return true;
      end $$;
      alter table app.logs add constraint gate check (app.gate());
    `);
    const [begun] = await db.sql`
      select nightshift.begin_run('partition-maintenance', 'cli') as answer`;
    const { id, fence } = begun?.answer.run ?? {};
    // The longest that a run waits, which is as long as Postgres takes to look for a deadlock.
    const make = () => db.sql`
      select nightshift.create_partitions(${id}, ${fence}, array[${logs}], 1000) -> 0 as answer`;
    expect((await make())[0]?.answer).toMatchObject({ outcome: 'made', done: false });

    const gate = await openTransaction(db, 'select pg_advisory_xact_lock(77)');
    const user = await openTransaction(db, "update app.others set name = 'b'");
    const making = make().execute();
    await until('it waits', async () => (await waiting(db.sql, 'create_partitions')) > 0);
    const inserting = user`insert into app.logs (id, at) values (1, now())`.execute();
    await until(
      'all wait for the gate, or for each other',
      async () => (await waiting(db.sql, 'app.logs')) > 0,
    );
    await gate`commit`;
    await inserting;
    await user`commit`;
    await making;
    expect((await make())[0]?.answer).toMatchObject({ outcome: 'made', done: true });
    expect(await db.sql`select from app.logs where id = 1`).toHaveLength(1);
  });
});

it('a migration of a table that refers to one in mid-retirement is waited for in short turns', async () => {
  await createLogs(db.sql);
  await runMaintenance(db);
  await db.sql.unsafe(`select nightshift.alter_partition_policy('${logs}' ${retiring})`);
  await referTo(0, 'no action');
  const migration = await openTransaction(db, 'lock table app.notes in access exclusive mode');
  let turns = 0;
  const beforeCall = (name: string) =>
    name === 'retire_partitions' && ++turns === 3 && migration`commit`;
  const run = await runMaintenance(db, {}, { beforeCall });
  expect(run).toMatchObject({ run: { status: 'succeeded' }, report: { partitionsRetired: 2 } });
});

it('partitions are the same before and after a run that a lock on what they refer to keeps out', async () => {
  await db.sql`create table app.users (id integer primary key)`;
  await createLogs(db.sql, { columns: ', user_id integer references app.users', policy: retiring });
  const user = await openTransaction(db, 'insert into app.users values (1)');
  let turns = 0;
  const beforeCall = (name: string) =>
    name === 'create_partitions' && ++turns === 3 && user`commit`;
  const run = await runMaintenance(db, {}, { beforeCall });
  expect(run).toMatchObject({
    run: { status: 'succeeded' },
    report: { partitionsCreated: 7, partitionsRetired: 2 },
  });
  expect(Object.keys(await partitionsOf(db.sql, logs))).toHaveLength(13);
});
