import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { Stop, stoppedByHand } from '../../functions/_shared/stop.ts';
import { expireLease, setUpDatabase, startAfresh } from '../support/database.ts';
import { startTransactionPooler } from '../support/transaction-pooler.ts';
import {
  createSlowTable,
  createTable,
  isVacuuming,
  outcomes,
  restoreSpeed,
  runVacuum,
  spawnVacuum,
} from '../support/vacuum.ts';
import { until, waiting } from '../support/waiting.ts';

const db = setUpDatabase();

const vacuuming = () => until('a vacuum is under way', () => isVacuuming(db.sql));

describe('while a vacuum is under way', () => {
  const slow = 'app.slow';

  beforeEach(async () => {
    await startAfresh(db.sql);
    await createSlowTable(db, slow);
  });

  it('nobody who reads or writes waits, and a run that is cancelled ends it', async () => {
    const running = runVacuum(db);
    await vacuuming();
    const other = db.connect();
    await other`set lock_timeout = '1ms'`;
    await other`update app.slow set note = 'y' where id = 3000`;
    await other`insert into app.slow values (0, 'x')`;
    await other`delete from app.slow where id = 3001`;
    expect(await other`select id from app.slow where id = 3000`).toHaveLength(1);
    expect(await isVacuuming(db.sql)).toBe(true);

    await db.sql`
      select nightshift.cancel_run(id) from nightshift.runs where status = 'running'`;
    const { run, report } = await running;
    expect(run).toMatchObject({ status: 'interrupted', error: { code: 'NS410' } });
    expect(report.steps).toMatchObject([{ table: slow, status: 'waiting' }]);
    expect(await isVacuuming(db.sql)).toBe(false);
  });

  it('it gives way to a migration, which would keep everyone else waiting behind it', async () => {
    const running = runVacuum(db);
    await vacuuming();
    const migration = db.connect();
    await migration`alter table app.slow add column more text`;
    const { run, report } = await running;
    expect(run.status).toBe('failed');
    expect(report.steps).toMatchObject([
      {
        status: 'blocked',
        reason: 'gave_way',
        detail: expect.stringMatching(/^it gave way to pid \d+ /),
        fixes: [{ subject: slow, fix: 'The next run tries again.' }],
      },
    ]);
  });

  it('its table can be dropped', async () => {
    let dropped: Promise<unknown> | undefined;
    // It looks when the table is gone, and not when whoever it gave way to is about to drop it.
    const running = runVacuum(db, {}, { before: { finish_vacuum: () => dropped } });
    await vacuuming();
    dropped = db.connect()`drop table app.slow`.execute();
    const { run, report } = await running;
    expect(run.status).toBe('succeeded');
    expect(outcomes({ report })).toEqual({ [slow]: 'skipped: gone' });
  });

  it('no second one begins, even when its function seems to be dead', async () => {
    await createTable(db.sql, 'app.items');
    const first = expect(runVacuum(db, { only: [slow] })).rejects.toMatchObject({ code: 'NS409' });
    await vacuuming();
    await db.sql`update nightshift.runs set lease = '1 hour' where status = 'running'`;
    await expireLease(db.sql);
    const { report, run } = await runVacuum(db, { only: ['app.items'] });
    expect(run.status).toBe('failed');
    expect(outcomes({ report })).toEqual({ 'app.items': 'blocked: locked' });

    await db.sql`
      select pg_cancel_backend(pid) from pg_stat_progress_vacuum where datname = current_database()`;
    await first;
    expect(outcomes(await runVacuum(db, { only: ['app.items'] }))).toEqual({
      'app.items': 'vacuumed: dead_rows',
    });
  });

  it('the report names the session that keeps it from its turn, which anybody who can log in may take', async () => {
    const squatter = db.connect();
    await squatter`set application_name = 'squatter'`;
    const [taken] = await squatter`
      select pg_backend_pid() as pid, pg_advisory_lock(hashtextextended('nightshift.vacuum', 0))`;
    const { report } = await runVacuum(db);
    await squatter`select pg_advisory_unlock_all()`;
    const [fix] = report.steps[0]?.fixes ?? [];
    expect(report.steps).toMatchObject([
      {
        status: 'blocked',
        reason: 'locked',
        detail: expect.stringContaining(`pid ${taken?.pid} (squatter as`),
      },
    ]);
    expect(fix?.fix).toContain(`select pg_terminate_backend(${taken?.pid});`);
  });

  it('it ends when nobody can look after it any more, so that a migration need not wait until its time is up', async () => {
    const ended = expect(runVacuum(db)).rejects.toMatchObject({ code: 'NS409' });
    await vacuuming();
    await db.sql`
      update nightshift.runs set status = 'lost', finished_at = now() where status = 'running'`;
    const migration = db.connect();
    await migration`set lock_timeout = '10s'`;
    await migration`alter table app.slow add column more text`;
    await ended;
    expect(await isVacuuming(db.sql)).toBe(false);
  });

  it('it ends when the Data API is silent for half a minute', async () => {
    let nowMs = 0;
    const running = runVacuum(
      db,
      {},
      {
        clock: { nowMs: () => nowMs },
        before: {
          watch_vacuum: () => {
            nowMs += 20_000;
            throw new NightshiftError('NS502', 'Supabase did not answer');
          },
        },
      },
    );
    const { report } = await running;
    expect(outcomes({ report })).toEqual({ [slow]: 'blocked: no_connection' });
    await until('the server has noticed', async () => !(await isVacuuming(db.sql)));
  });

  it('a run that is stopped ends it', async () => {
    const stop = new Stop();
    const running = runVacuum(db, {}, { stop });
    await vacuuming();
    stop.raise(stoppedByHand('Ctrl-C'));
    const { run, report } = await running;
    expect(run.status).toBe('interrupted');
    expect(report.steps).toMatchObject([
      { status: 'waiting', detail: 'The run was stopped with Ctrl-C' },
    ]);
    expect(await isVacuuming(db.sql)).toBe(false);
  });

  it('a function that dies takes it along, and the next run vacuums the table', async () => {
    const process = await spawnVacuum(db);
    await vacuuming();
    process.kill('SIGKILL');
    await until('the server has noticed', async () => !(await isVacuuming(db.sql)));
    await restoreSpeed(db.sql);
    await expireLease(db.sql);
    const next = await runVacuum(db);
    expect(outcomes(next)).toEqual({ [slow]: 'vacuumed: dead_rows' });
    const [row] = await db.sql`select count(*)::integer as n from app.slow`;
    expect(row?.n).toBe(2_000);
  });

  it('a session that is killed loses nothing, and the next run vacuums the table', async () => {
    const running = runVacuum(db);
    await vacuuming();
    await db.sql`
      select pg_terminate_backend(pid) from pg_stat_progress_vacuum where datname = current_database()`;
    const { run, report } = await running;
    expect(run).toMatchObject({ status: 'failed', error: { code: 'NS502' } });
    expect(outcomes({ report })).toEqual({ [slow]: 'blocked: no_connection' });
    await restoreSpeed(db.sql);
    expect(outcomes(await runVacuum(db))).toEqual({ [slow]: 'vacuumed: dead_rows' });
    const [rows] = await db.sql`select count(*)::integer as n from app.slow`;
    expect(rows?.n).toBe(2_000);
  });
});

describe('a table', () => {
  beforeAll(() => restoreSpeed(db.sql));
  beforeEach(() => startAfresh(db.sql));

  it('that someone has locked is passed over without a wait, and the others are vacuumed', async () => {
    await createTable(db.sql, 'app.locked');
    await createTable(db.sql, 'app.items');
    const holder = db.connect();
    await holder`begin`;
    await holder`lock table app.locked in access exclusive mode`;
    const { run, report } = await runVacuum(
      db,
      {},
      {
        before: { finish_vacuum: async () => expect(await waiting(db.sql, 'vacuum')).toBe(0) },
      },
    );
    expect(run.status).toBe('partial');
    expect(outcomes({ report })).toEqual({
      'app.items': 'vacuumed: dead_rows',
      'app.locked': 'blocked: locked',
    });
    await holder`commit`;
    expect(outcomes(await runVacuum(db))).toEqual({ 'app.locked': 'vacuumed: dead_rows' });
  });

  it.each(['begin_vacuum', 'finish_vacuum'])(
    'that is dropped before %s is no failure',
    async (call) => {
      await createTable(db.sql, 'app.items');
      const { run, report } = await runVacuum(
        db,
        {},
        {
          before: { [call]: () => db.sql`drop table if exists app.items` },
        },
      );
      expect(run.status).toBe('succeeded');
      expect(outcomes({ report })).toEqual({ 'app.items': 'skipped: gone' });
    },
  );
});

describe('a pooler in transaction mode', () => {
  let pooler: Awaited<ReturnType<typeof startTransactionPooler>>;
  beforeAll(async () => {
    await restoreSpeed(db.sql);
    pooler = await startTransactionPooler(db.url);
  });
  afterAll(() => pooler.close());
  beforeEach(() => startAfresh(db.sql));

  it('is recognized, before anything is set or locked in a session that others get', async () => {
    await createTable(db.sql, 'app.items');
    const { run, report } = await runVacuum(db, {}, { databaseUrl: pooler.url });
    expect(run.status).toBe('failed');
    expect(report.steps).toMatchObject([
      {
        status: 'blocked',
        reason: 'no_connection',
        detail: 'The direct connection leads through a pooler in transaction mode',
        fixes: [
          { fix: expect.stringMatching(/^Use the session pooler, port 5432 .*cron\.schedule/) },
        ],
      },
    ]);
    expect(
      await db.sql`
      select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
    ).toEqual([]);
  });
});
