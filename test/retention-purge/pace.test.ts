import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { runPurge, stepOf } from '../support/purge.ts';
import { startTraffic } from '../support/traffic.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();
const table = 'app.events';

beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    create table ${table} (id integer primary key, deleted_at timestamptz);
    insert into ${table} select g, now() - interval '90 days' from generate_series(1, 200) g;
    select nightshift.add_retention_policy('${table}', '30 days', max_fraction => 1);`);
});

// What other tests write would be a reason of its own.
beforeAll(() => db.sql`checkpoint`);

/** Batches of few rows, so that there is a moment between them. A slow machine is no reason for a pause here. */
const purge = async (input: object = {}) =>
  stepOf(await runPurge(db, input, { batchRows: 50, clock: { nowMs: () => 0 } }), table);

it('makes no pause while nobody else is at work, however many are connected', async () => {
  await db.connect()`select 1`;
  expect(await purge()).toMatchObject({ rowsPurged: 200, batches: 5, pacedMs: 0, pacedFor: [] });
});

describe('beside an application at work', () => {
  let traffic: ReturnType<typeof startTraffic>;
  beforeEach(async () => {
    traffic = startTraffic(db, ['select 1', 'select 2']);
    await traffic.getThrough();
  });
  afterEach(() => traffic.stop());

  it('leaves it turns of its own, and says so', async () => {
    const step = await purge();
    expect(step).toMatchObject({ rowsPurged: 200, pacedFor: ['other sessions at work'] });
    expect(step.pacedMs).toBeGreaterThan(0);
  });

  it('makes no pause at full pace', async () => {
    expect(await purge({ pace: 'full' })).toMatchObject({ rowsPurged: 200, pacedMs: 0 });
  });

  it('leaves turns in a dry run as well', async () => {
    expect(await purge({ dryRun: true })).toMatchObject({
      rowsPurged: 200,
      pacedFor: ['other sessions at work'],
    });
  });
});

it('holds back while a session waits for a lock', async () => {
  await db.sql`create table app.others (id integer)`;
  await db.connect().begin(async (holder) => {
    await holder`lock table app.others`;
    const waiting = db.connect()`select from app.others`.execute();
    await until('the session waits', async () => {
      const [row] = await db.sql<{ n: number }[]>`
        select count(*)::integer as n from pg_locks where relation = 'app.others'::regclass and not granted`;
      return row?.n === 1;
    });
    expect(await purge()).toMatchObject({
      rowsPurged: 200,
      pacedFor: ['sessions that wait for a lock'],
    });
    // The holder's transaction ends here, and lets the other one go on.
    waiting.catch(() => {});
  });
});

it('makes no pause for a session that stands by for an advisory lock, as long as it may wait', async () => {
  await db.connect().begin(async (leader) => {
    await leader`select pg_advisory_xact_lock(4711)`;
    const standby = db.connect();
    const [backend] = await standby`select pg_backend_pid() as pid`;
    const standingBy = standby`select pg_advisory_lock(4711)`.execute();
    await until('the session waits', async () => {
      const [row] = await db.sql<{ waits: boolean }[]>`
        select wait_event = 'advisory' as waits from pg_stat_activity where pid = ${backend?.pid}`;
      return row?.waits === true;
    });
    expect(await purge()).toMatchObject({ rowsPurged: 200, pacedMs: 0, pacedFor: [] });
    standingBy.catch(() => {});
  });
});
