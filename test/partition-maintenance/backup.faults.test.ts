import type { Sql } from 'postgres';
import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { withDirect } from '../support/direct.ts';
import {
  allIds,
  createLogs,
  dueLogs,
  letGracePass,
  logs,
  partitionsOf,
  runMaintenance,
  startLogging,
  stepOf,
} from '../support/partitions.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const retiring = ", retention => '8 days', retire => 'drop'";

/** As pg_dump does: one snapshot for all, and a lock on every table that is not given back before the end. */
async function startBackup(tables = [logs]): Promise<Sql> {
  const session = db.connect();
  await session`set application_name = 'pg_dump'`;
  await session`begin isolation level repeatable read`;
  await session.unsafe(`lock table ${tables.join(', ')} in access share mode`);
  await until('it is older than a call waits ten times', async () => {
    const rows = await db.sql`
      select from pg_stat_activity where application_name = 'pg_dump' and state like 'idle in%'
        and xact_start < clock_timestamp() - interval '20 milliseconds'`;
    return rows.length > 0;
  });
  return session;
}

/** Whoever holds a lock for longer than 10 ms counts as one that lasts. */
const impatient = (_: string, args: object) => {
  if ('lock_timeout_ms' in args) Object.assign(args, { lock_timeout_ms: 1 });
};

const runBeside = (options: Parameters<typeof runMaintenance>[2] = {}) =>
  runMaintenance(
    db,
    {},
    {
      ...options,
      beforeCall: async (name, args) => {
        impatient(name, args);
        await options.beforeCall?.(name, args);
      },
    },
  );

const asked = async (name: string, args: string) => {
  const [begun] =
    await db.sql`select nightshift.begin_run('partition-maintenance', 'cli') as answer`;
  const { id, fence } = begun?.answer.run ?? {};
  const [row] = await db.sql.unsafe(
    `select nightshift.${name}('${id}', ${fence}, ${args}) as answer`,
  );
  await db.sql`update nightshift.runs set status = 'lost' where id = ${id}`;
  return [row?.answer].flat()[0];
};

describe('beside a backup', () => {
  it.each([
    ['create_partitions', `array['${logs}'], 1`, true],
    ['retire_partitions', `'${logs}', 1`, false],
    ['begin_detach', `'${logs}', 1`, false],
  ])('%s does not queue, and says who is in the way', async (name, args, withDefault) => {
    await createLogs(db.sql, { withDefault, policy: retiring });
    const before = await partitionsOf(db.sql, logs);
    const backup = await startBackup();
    const [{ pid } = {}] = await backup`select pg_backend_pid() as pid`;
    // Who has waited for the lock got nothing but a timeout, and does not know who had it.
    expect(await asked(name, args)).toMatchObject({
      outcome: 'busy',
      holder: {
        relation: expect.stringContaining('app.logs'),
        pid,
        application: 'pg_dump',
        role: expect.any(String),
        since: expect.any(String),
      },
    });
    expect(await partitionsOf(db.sql, logs)).toEqual(before);
    await backup`commit`;
  });

  it('a partition is not dropped, and the others are', async () => {
    await createLogs(db.sql, { policy: retiring });
    await runMaintenance(db);
    await letGracePass(db.sql);
    const backup = await startBackup([dueLogs[0] ?? '']);
    const names = `array['${dueLogs.join("','")}'], 1`;
    expect(await asked('drop_retired_partitions', names)).toMatchObject({
      outcome: 'busy',
      holder: { relation: dueLogs[0], application: 'pg_dump' },
    });
    expect(await db.sql`select to_regclass(${dueLogs[1] ?? ''}) as gone`).toEqual([{ gone: null }]);
    await backup`commit`;
  });

  it('a partition that someone reads by its name does not lock the table for nothing', async () => {
    await createLogs(db.sql, { policy: retiring });
    const backup = await startBackup([dueLogs[0] ?? '']);
    const args = `'${logs}', 1`;
    expect(await asked('retire_partitions', args)).toMatchObject({ outcome: 'more', blocked: [] });
    expect(await asked('retire_partitions', args)).toMatchObject({
      outcome: 'busy',
      holder: { relation: dueLogs[0] },
    });
    const left = await partitionsOf(db.sql, logs);
    expect(dueLogs.map((name) => name.replace('app.', '') in left)).toEqual([true, false]);
    await backup`commit`;
  });

  it.each([
    ['with locks', false],
    ['concurrently', true],
  ])('a run goes on with other tables, and retires %s when it has ended', async (_, overDirect) => {
    await createLogs(db.sql, { policy: retiring });
    await db.sql.unsafe(`
      create table app.other (at timestamptz not null) partition by range (at);
      create table app.other_old partition of app.other for values from ('2020-01-01') to ('2021-01-01');
      create table app.other_now partition of app.other for values from ('2026-01-01') to ('2099-01-01');
      select nightshift.add_partition_policy('app.other', '1 year', retention => '1 year', max_fraction => 1)`);
    const before = await allIds(db.sql);
    const backup = await startBackup();
    const application = startLogging(db);
    const tables: string[] = [];
    const run = (direct = {}) =>
      runBeside({
        ...direct,
        beforeCall: async (name, args) => {
          if (!/retire_partitions|begin_detach/.test(name) || !('table_name' in args)) return;
          await application.getThrough();
          tables.push(String(args.table_name));
          if (tables.filter((table) => table === logs).length === 3) await backup`commit`;
        },
      });
    const result = overDirect ? await withDirect(db.url, (direct) => run({ direct })) : await run();
    await application.stop();
    expect(tables.indexOf('app.other')).toBeLessThan(tables.lastIndexOf(logs));
    expect(result).toMatchObject({
      run: { status: 'succeeded' },
      report: { partitionsRetired: 3 },
    });
    expect(await db.sql`select from pg_inherits where inhdetachpending`).toEqual([]);
    expect(await allIds(db.sql)).toEqual(before);
  });

  it.each([
    ['with locks', false],
    ['concurrently', true],
  ])(
    'that outlasts the run, it retires nothing %s, and names who to end',
    async (_, overDirect) => {
      await createLogs(db.sql, { policy: retiring });
      const backup = await startBackup();
      const [{ pid } = {}] = await backup`select pg_backend_pid() as pid`;
      let turns = 0;
      const run = (direct = {}) =>
        runBeside({
          ...direct,
          beforeCall: (name) => {
            if (/retire_partitions|begin_detach/.test(name)) turns += 1;
          },
          deadline: { remainingMs: () => (turns < 6 ? 60_000 : 5_500) },
        });
      const result = overDirect
        ? await withDirect(db.url, (direct) => run({ direct }))
        : await run();
      expect(stepOf(result, logs)).toMatchObject({
        retired: [],
        error: {
          code: '55P03',
          message: expect.stringMatching(
            new RegExp(`process ${pid} holds app.logs.* \\(pg_dump, role .*, since `),
          ),
          hint: expect.stringContaining(`pg_terminate_backend(${pid})`),
        },
      });
      expect(result.report.partitionsCreated).toBeGreaterThan(0);
      expect(await db.sql`select from pg_inherits where inhdetachpending`).toEqual([]);
      await backup`commit`;
    },
  );
});
