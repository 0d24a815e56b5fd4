import { once } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Direct } from '../../functions/_shared/direct.ts';
import { expireLease, setUpDatabase, startAfresh } from '../support/database.ts';
import { withDirect } from '../support/direct.ts';
import {
  allIds,
  closeGate,
  createLogs,
  dueLogs,
  letGracePass,
  logs,
  openTransaction,
  partitionsOf,
  runMaintenance,
  spawnMaintenance,
  terminate,
} from '../support/partitions.ts';
import { sampleOf } from '../support/property.ts';
import { range } from '../support/rows.ts';
import { startTraffic } from '../support/traffic.ts';
import { apiIsIdle, until, waiting } from '../support/waiting.ts';

const [d10 = '', d9 = ''] = dueLogs;
const retiring = ", retention => '8 days', retire => 'drop'";
/** How many calls a night takes. */
const nightCalls = 12;
const died = new Error('The process died.');

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

/** A run whose process dies before its nth call: nothing of it is sent from then on. Returns what it called. */
async function runUntil(nth: number): Promise<string[]> {
  const calls: string[] = [];
  const beforeCall = (name: string) => {
    if (calls.length >= nth) throw died;
    calls.push(name);
  };
  await runMaintenance(db, {}, { beforeCall }).catch((error) =>
    expect(error.cause ?? error).toBe(died),
  );
  return calls;
}

/** A table with all that a night can have: partitions to make, to fill, to detach, and one to drop. */
async function createNight(): Promise<number[]> {
  await createLogs(db.sql, {
    withDefault: true,
    policy: ", retention => '10 days', retire => 'drop'",
  });
  await runMaintenance(db);
  await db.sql.unsafe(`select nightshift.alter_partition_policy('${logs}', retention => '9 days')`);
  await runMaintenance(db);
  await letGracePass(db.sql);
  await db.sql.unsafe(`
    select nightshift.alter_partition_policy('${logs}', retention => '8 days', premake => 6);
    insert into ${logs} (id, at) select 1000000 + n, app.day(6) + n * interval '1 minute' from generate_series(1, 50) n;
  `);
  return allIds(db.sql);
}

/** What a night leaves behind when all of it is done. */
async function expectDone(before: number[]): Promise<void> {
  const dropped = new Set(before.filter((id) => id > 10_000 && id <= 10_010));
  expect(await allIds(db.sql)).toEqual(before.filter((id) => !dropped.has(id)));
  const [state] = await db.sql`
    select
      (select count(*)::int from app.logs_default) as in_default,
      (select count(*)::int from pg_class c where c.relnamespace = 'app'::regnamespace and c.relkind = 'r'
        and not c.relispartition) as apart,
      (select array_agg(partition_name || ' ' || status order by id) from nightshift.retired_partitions) as retired,
      (select array_agg(tgname) from pg_trigger where tgrelid = 'app.logs_default'::regclass and not tgisinternal) as triggers`;
  expect(state).toEqual({
    in_default: 10,
    apart: 1,
    retired: [`${d10} dropped`, `${d9} detached`],
    triggers: null,
  });
  expect(Object.keys(await partitionsOf(db.sql, logs))).toHaveLength(6 + 3 + 6 + 1);
}

describe('a process that dies', () => {
  const moments = range(0, nightCalls - 1);
  const tried = sampleOf(moments, 2);
  it.for(moments)(
    'before call %i leaves every row, and the next run does the rest',
    async (nth, { skip }) => {
      skip(!tried.includes(nth), 'left for the night');
      const before = await createNight();
      const calls = await runUntil(nth);
      const left = await allIds(db.sql);
      if (!calls.includes('drop_retired_partitions')) expect(left).toEqual(before);
      if (calls.length > 0)
        expect((await runMaintenance(db)).outcome).toBe(
          calls.at(-1) === 'finish_run' ? 'started' : 'skipped',
        );
      await expireLease(db.sql);
      const next = await runMaintenance(db);
      expect(next.run.status).toBe('succeeded');
      await expectDone(before);
    },
  );

  it.each([
    ['CREATE TABLE', 'ends'],
    ['CREATE TABLE', 'is cut as well'],
    ['ALTER TABLE', 'is cut as well'],
    ['DROP TABLE', 'ends'],
    ['DROP TABLE', 'is cut as well'],
  ])('by kill -9 in mid %s, while its statement %s', async (tag, how) => {
    const before = await createNight();
    const gate = await closeGate(db, tag);
    const child = await spawnMaintenance(db);
    await until('it is in mid-statement', gate.reached);
    child.kill('SIGKILL');
    await once(child, 'close');
    if (how === 'ends') await gate.open();
    else await terminate(db.sql, 'api');
    await until('the server is done with what is left', () => apiIsIdle(db.sql));
    if (how !== 'ends') await gate.open();
    expect((await runMaintenance(db)).outcome).toBe('skipped');
    await expireLease(db.sql);
    expect((await runMaintenance(db)).run.status).toBe('succeeded');
    await expectDone(before);
  });
});

describe('a connection of the API that is cut', () => {
  it('between any two calls is made again', async () => {
    const before = await createNight();
    let calls = 0;
    const beforeCall = () => {
      calls++;
      return terminate(db.sql, 'api');
    };
    expect((await runMaintenance(db, {}, { beforeCall })).run.status).toBe('succeeded');
    // As many as a process was made to die before.
    expect(calls).toBeLessThanOrEqual(nightCalls);
    await expectDone(before);
  });

  it.each(['CREATE TABLE', 'ALTER TABLE', 'DROP TABLE'])(
    'in mid %s: it is asked for again',
    async (tag) => {
      const before = await createNight();
      const gate = await closeGate(db, tag);
      const run = runMaintenance(db);
      await until('it is in mid-statement', gate.reached);
      await terminate(db.sql, 'api');
      await gate.open();
      expect((await run).run.status).toBe('succeeded');
      await expectDone(before);
    },
  );
});

describe('a detach over the direct connection', () => {
  const isPending = async () =>
    (
      await db.sql`select from pg_inherits where inhparent = 'app.logs'::regclass and inhdetachpending`
    ).length > 0;
  /** A run with a direct connection, of which a test changes what it executes, that dies before a call. */
  const runDying = (
    before: string,
    execute: (direct: Direct, statement: string) => Promise<void>,
  ) =>
    withDirect(db.url, (direct) =>
      runMaintenance(
        db,
        {},
        {
          direct: { ...direct, execute: (statement) => execute(direct, statement) },
          beforeCall: ((dead) => (name: string) => {
            dead ||= name === before;
            if (dead) throw died;
          })(false),
        },
      ),
    ).catch((error) => expect(error.cause ?? error).toBe(died));
  const runAgain = async () => {
    await expireLease(db.sql);
    return withDirect(db.url, (direct) => runMaintenance(db, {}, { direct }));
  };
  const expectRetired = async (before: number[]) => {
    expect(await allIds(db.sql)).toEqual(before);
    const retired = await db.sql`
      select partition_name, status, drop_after > now() as waits, c.relrowsecurity
      from nightshift.retired_partitions join pg_class c on c.oid = partition order by 1`;
    expect(retired).toEqual(
      dueLogs
        .map((partition_name) => ({
          partition_name,
          status: 'detached',
          waits: true,
          relrowsecurity: true,
        }))
        .toSorted((a, b) => (a.partition_name < b.partition_name ? -1 : 1)),
    );
    for (const name of dueLogs)
      await db.sql`select nightshift.reattach_partition(${name}::text::regclass)`;
    expect(await partitionsOf(db.sql, logs)).toMatchObject({
      logs_d10: expect.anything(),
      logs_d9: expect.anything(),
    });
    expect((await db.sql`select from app.logs where id < 12000`).length).toBe(20);
  };
  let before: number[];
  beforeEach(async () => {
    await createLogs(db.sql, { policy: retiring });
    before = await allIds(db.sql);
  });

  it('is done without delaying readers or writers', async () => {
    const result = await withDirect(db.url, (direct) => runMaintenance(db, {}, { direct }));
    expect(result).toMatchObject({
      run: { status: 'succeeded' },
      report: { partitionsRetired: 2 },
    });
    await expectRetired(before);
  });

  it.each([logs, d10])('is waited with in short turns while %s is being read', async (relation) => {
    const reader = await openTransaction(db, `select from ${relation}`);
    const application = startTraffic(db, [`select from ${logs}`, `select from ${relation}`]);
    let turns = 0;
    const beforeCall = async (name: string) => {
      if (name !== 'finish_detach') return;
      await application.getThrough();
      if (++turns === 3) await reader`commit`;
    };
    const run = await withDirect(db.url, (direct) =>
      runMaintenance(db, {}, { direct, beforeCall }),
    );
    await application.stop();
    expect(run).toMatchObject({
      run: { status: 'succeeded' },
      report: { partitionsRetired: 2 },
    });
    await expectRetired(before);
  });

  it('is finished by the next run when it is cut while it waits, and the process dies', async () => {
    const reader = await openTransaction(db, `select from ${logs}`);
    const run = runDying('finish_detach', (direct, statement) =>
      direct.execute(statement, { timeoutMs: 30_000, lockTimeoutMs: 30_000 }),
    );
    await until('it is half detached', isPending);
    await until(
      'it waits for the reader',
      async () => (await waiting(db.sql, 'detach partition')) > 0,
    );
    await terminate(db.sql, 'direct');
    await run;
    expect(await isPending()).toBe(true);
    await reader`commit`;
    const next = await runAgain();
    expect(next).toMatchObject({ run: { status: 'succeeded' }, report: { partitionsRetired: 2 } });
    await expectRetired(before);
  });

  it('is finished by the same run when it is cut while it waits', async () => {
    const reader = await openTransaction(db, `select from ${logs}`);
    const run = withDirect(db.url, (direct) => runMaintenance(db, {}, { direct }));
    await until('it is half detached', isPending);
    await until(
      'it waits for the reader',
      async () => (await waiting(db.sql, 'detach partition')) > 0,
    );
    await terminate(db.sql, 'direct');
    await reader`commit`;
    expect(await run).toMatchObject({
      run: { status: 'succeeded' },
      report: { partitionsRetired: 2 },
    });
    await expectRetired(before);
  });

  it('that was asked for and never begun is begun by the next run', async () => {
    await runDying('finish_detach', async () => {});
    expect(await isPending()).toBe(false);
    expect(await runAgain()).toMatchObject({
      run: { status: 'succeeded' },
      report: { partitionsRetired: 2 },
    });
    await expectRetired(before);
  });

  it('that is done and not written down is written down by the next run', async () => {
    await runDying('finish_detach', (direct, statement) =>
      direct.execute(statement, { timeoutMs: 30_000, lockTimeoutMs: 30_000 }),
    );
    expect(Object.keys(await partitionsOf(db.sql, logs))).not.toContain('logs_d10');
    expect(await runAgain()).toMatchObject({
      run: { status: 'succeeded' },
      report: { partitionsRetired: 2 },
    });
    await expectRetired(before);
  });
});
