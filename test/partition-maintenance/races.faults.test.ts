import type { Sql } from 'postgres';
import { beforeEach, describe, expect, it } from 'vitest';
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
} from '../support/partitions.ts';
import { until, waiting } from '../support/waiting.ts';

const [d10 = ''] = dueLogs;
const retiring = ", retention => '8 days', retire => 'drop'";

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const beginRun = async () => {
  const [row] = await db.sql`select nightshift.begin_run('partition-maintenance', 'cli') as answer`;
  return row?.answer;
};
const makeMissing = (session: Sql) =>
  session`select nightshift.create_missing_partitions(${logs}::text::regclass) as answer`;
const newNames = (rows: { answer: { created: { partition: string }[] } }[]) =>
  rows.flatMap(({ answer }) => answer.created.map(({ partition }) => partition));

describe('partitions made by two sessions at once', () => {
  it.each([
    ['without a default partition', false],
    ['with rows in the default partition', true],
  ])(
    '%s are made once; a run beside them is busy, or finds nothing to do',
    async (_, withDefault) => {
      await createLogs(db.sql, { withDefault });
      const before = await allIds(db.sql);
      const { run } = await beginRun();
      const holder = await openTransaction(db, `lock table ${logs} in share update exclusive mode`);
      const sessions = [db.connect(), db.connect()];
      const make = () => Promise.all(sessions.map((session) => makeMissing(session)));
      const making = make();
      await until('both wait', async () => (await waiting(db.sql, 'create_missing')) === 2);
      const asRun = () => db.sql`
      select nightshift.create_partitions(${run.id}, ${run.fence}, array[${logs}], 1000) as answer`;
      expect((await asRun())[0]?.answer).toEqual([{ table: logs, outcome: 'busy' }]);
      await holder`commit`;
      const beside = asRun();
      const names = newNames((await making).flat() as never);
      for (const { outcome, created } of (await beside)[0]?.answer ?? []) {
        if (outcome !== 'busy') names.push(...newNames([{ answer: { created } }]));
      }
      names.push(
        ...newNames((await make()).flat() as never),
        ...newNames((await make()).flat() as never),
      );
      expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
      expect(names).toHaveLength(7);
      const bounds = Object.values(await partitionsOf(db.sql, logs));
      expect(new Set(bounds).size).toBe(withDefault ? 16 : 15);
      expect(bounds).toHaveLength(withDefault ? 16 : 15);
      expect(await allIds(db.sql)).toEqual(before);
    },
  );
});

describe('tables that share a transaction', () => {
  it('have their partitions, however many they are, but for those that are locked', async () => {
    const tables = Array.from({ length: 43 }, (_, n) => `app.t${n + 1}`);
    const locked = ['app.t1', 'app.t22'];
    for (const table of tables) {
      await db.sql.unsafe(`create table ${table} (day date) partition by range (day)`);
      await db.sql`select nightshift.add_partition_policy(${table}::text::regclass, '1 month', premake => 1)`;
    }
    const { run } = await beginRun();
    const holder = await openTransaction(
      db,
      `lock table ${locked.join(', ')} in share update exclusive mode`,
    );
    const outcomes: string[] = [];
    for (let rest = tables; rest.length > 0; ) {
      const [row] = await db.sql`
        select nightshift.create_partitions(${run.id}, ${run.fence}, ${rest}, 10) as answer`;
      const answers: { table: string; outcome: string }[] = row?.answer;
      outcomes.push(...answers.map(({ table, outcome }) => `${table} ${outcome}`));
      rest = rest.filter((table) => !answers.some((answer) => answer.table === table));
    }
    await holder`commit`;
    const expected = tables.map((table) => `${table} ${locked.includes(table) ? 'busy' : 'made'}`);
    expect(outcomes.toSorted()).toEqual(expected.toSorted());
    const partitions = await db.sql`
      select i.inhparent::regclass::text as parent from pg_inherits i
      where i.inhparent = any(${tables}::text[]::regclass[])`;
    const others = tables.filter((table) => !locked.includes(table));
    expect(partitions.map(({ parent }) => parent).toSorted()).toEqual(
      others.flatMap((table) => [table, table]).toSorted(),
    );
    const [ledger] = await db.sql`
      select progress -> 'steps' as steps from nightshift.runs where id = ${run.id}`;
    expect(Object.keys(ledger?.steps).toSorted()).toEqual(others.toSorted());
  });
});

describe('a run that lost its lease', () => {
  const state = async () => ({
    partitions: await partitionsOf(db.sql, logs),
    retired:
      await db.sql`select partition_name, status from nightshift.retired_partitions order by id`,
    ids: await allIds(db.sql),
  });
  const takeOver = async () => {
    await expireLease(db.sql);
    expect(await beginRun()).toMatchObject({ outcome: 'started' });
    return state();
  };

  it.each([
    ['create_partitions', true],
    ['retire_partitions', true],
    ['begin_detach', false],
    ['finish_detach', false],
    ['drop_retired_partitions', true],
  ])('changes nothing more from %s on', async (call, withDefault) => {
    await createLogs(db.sql, { withDefault, policy: ", retention => '9 days', retire => 'drop'" });
    await runMaintenance(db);
    await letGracePass(db.sql);
    await db.sql.unsafe(
      `select nightshift.alter_partition_policy('${logs}', retention => '8 days', premake => 6)`,
    );
    let before: unknown;
    const beforeCall = async (name: string) => {
      if (name === call) before ??= await takeOver();
    };
    await expect(
      withDirect(db.url, (direct) => runMaintenance(db, {}, { direct, beforeCall })),
    ).rejects.toMatchObject({ code: 'NS409' });
    expect(before).toBeDefined();
    expect(await state()).toEqual(before);
  });

  it('and goes on to detach: the run that took over, or the next, knows of it and can undo it', async () => {
    await createLogs(db.sql, { policy: ", retention => '9 days'" });
    const before = await allIds(db.sql);
    let other: unknown;
    await expect(
      withDirect(db.url, (direct) =>
        runMaintenance(
          db,
          {},
          {
            direct: {
              ...direct,
              execute: async (...statement) => {
                // Frozen here, and thawed when another run is through.
                await expireLease(db.sql);
                await db.sql`select nightshift.alter_partition_policy(${logs}::text::regclass, retention => '1 year')`;
                other = await runMaintenance(db);
                await direct.execute(...statement).catch(() => {});
              },
            },
          },
        ),
      ),
    ).rejects.toMatchObject({ code: 'NS409' });
    expect(other).toMatchObject({ outcome: 'started' });
    await runMaintenance(db);
    expect(await allIds(db.sql)).toEqual(before);
    const [{ attached } = {}] = await db.sql`
      select relispartition as attached from pg_class where oid = ${d10}::text::regclass`;
    if (!attached) await db.sql`select nightshift.reattach_partition(${d10}::text::regclass)`;
    expect(await partitionsOf(db.sql, logs)).toMatchObject({ logs_d10: expect.anything() });
  });
});

describe('a policy that is removed while a partition is being detached', () => {
  it.each([
    ['done', false],
    ['cut half way', true],
  ])('leaves one that can be attached again when the detach is %s', async (_, isCut) => {
    await createLogs(db.sql, { policy: ", retention => '9 days', retire => 'drop'" });
    const before = await allIds(db.sql);
    const reader = isCut && (await openTransaction(db, `select from ${logs}`));
    await withDirect(db.url, (direct) =>
      runMaintenance(
        db,
        {},
        {
          direct: {
            ...direct,
            execute: async (statement) => {
              await direct
                .execute(statement, { timeoutMs: 10_000, lockTimeoutMs: isCut ? 300 : 10_000 })
                .catch(() => {});
              await db.sql`select nightshift.remove_partition_policy(${logs}::text::regclass)`;
              if (reader) await reader`commit`;
            },
          },
        },
      ),
    );
    await runMaintenance(db);
    expect(await db.sql`select status, drop_after from nightshift.retired_partitions`).toEqual([
      { status: 'detached', drop_after: null },
    ]);
    await db.sql`select nightshift.reattach_partition(${d10}::text::regclass)`;
    expect(await db.sql`select from app.logs where id <= 10010`).toHaveLength(10);
    expect(await allIds(db.sql)).toEqual(before);
  });
});

describe('a retired partition that is about to be dropped', () => {
  let before: number[];
  beforeEach(async () => {
    await createLogs(db.sql, { policy: retiring });
    before = await allIds(db.sql);
    await runMaintenance(db);
    await letGracePass(db.sql);
    await db.sql`update nightshift.retired_partitions set drop_after = null where partition_name <> ${d10}`;
  });
  const reattach = `select nightshift.reattach_partition('${d10}')`;
  const withoutDropped = () => before.filter((id) => id > 10_010);
  const statusOf = async () =>
    (
      await db.sql`select status from nightshift.retired_partitions where partition_name = ${d10}`
    )[0]?.status;

  it.each([
    ['attached again', reattach],
    ['renamed', `alter table ${d10} rename to logs_kept`],
    ['kept: the policy is removed', `select nightshift.remove_partition_policy('${logs}')`],
    [
      'kept: the policy is switched off',
      `select nightshift.alter_partition_policy('${logs}', enabled => false)`,
    ],
    [
      'kept: the policy says detach',
      `select nightshift.alter_partition_policy('${logs}', retire => 'detach')`,
    ],
    ['kept: the constraint is gone', `alter table ${d10} drop constraint nightshift_retired`],
  ])('and that someone has just %s stays', async (_, statement) => {
    const user = await openTransaction(db, statement);
    let turns = 0;
    const run = await runMaintenance(
      db,
      {},
      { beforeCall: (name) => name === 'drop_retired_partitions' && ++turns === 3 && user`commit` },
    );
    expect(turns).toBeGreaterThanOrEqual(3);
    expect(run.report.partitionsDropped).toBe(0);
    expect(await allIds(db.sql)).toEqual(before);
    expect(await statusOf()).not.toBe('dropped');
  });

  it.each([
    ['attach it again', reattach, 'NS404'],
    ['rename it', `alter table ${d10} rename to logs_kept`, '42P01'],
  ])(
    'and that someone is too late to %s is gone, and they are told',
    async (_, statement, code) => {
      const gate = await closeGate(db, 'DROP TABLE');
      const run = runMaintenance(db);
      await until('it is in mid-drop', gate.reached);
      const late = expect(db.connect().unsafe(statement)).rejects.toMatchObject({ code });
      await until(
        'the late one waits',
        async () => (await waiting(db.sql, statement.slice(0, 30))) > 0,
      );
      await gate.open();
      await late;
      expect(await run).toMatchObject({ report: { partitionsDropped: 1 } });
      expect(await allIds(db.sql)).toEqual(withoutDropped());
      expect(await statusOf()).toBe('dropped');
    },
  );

  it('goes one way or the other when it is attached and dropped at once', async () => {
    const user = db.connect();
    const [run, attach] = await Promise.all([
      runMaintenance(db),
      user.unsafe(reattach).then(
        () => 'attached',
        (error) => error.code,
      ),
    ]);
    const dropped = run.report.partitionsDropped === 1;
    // Where it is gone before we are called, Postgres itself says so of the name.
    expect(dropped ? ['NS404', '42P01'] : ['attached']).toContain(attach);
    expect(await allIds(db.sql)).toEqual(dropped ? withoutDropped() : before);
  });
});
