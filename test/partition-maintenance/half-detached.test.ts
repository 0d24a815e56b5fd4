import { beforeEach, expect, it } from 'vitest';
import { Stop, stoppedByHand } from '../../functions/_shared/stop.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { endless } from '../support/deadline.ts';
import { withDirect } from '../support/direct.ts';
import { holdTransaction, readCheck } from '../support/health.ts';
import { partitionsOf, runMaintenance } from '../support/partitions.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();

beforeEach(async () => {
  await startAfresh(db.sql);
  await db.sql.unsafe(`
    create table app.logs (at date not null, note text) partition by range (at);
    create table app.logs_2020 partition of app.logs for values from ('2020-01-01') to ('2021-01-01');
    create table app.logs_2021 partition of app.logs for values from ('2021-01-01') to ('2022-01-01');
    insert into app.logs values ('2020-06-01', 'kept'), ('2021-06-01', 'seen')`);
});

/** As when a person presses Ctrl-C while the statement waits for the readers of the table. */
async function interruptDetach(partition: string): Promise<void> {
  const release = await holdTransaction(db, 'select from app.logs');
  const detaching = db.sql
    .unsafe(`alter table app.logs detach partition ${partition} concurrently`)
    .catch((error) => error.code);
  await until('it is half detached', async () => {
    const pending = await db.sql`select from pg_inherits where inhdetachpending`;
    return pending.length > 0;
  });
  await db.sql`
    select pg_cancel_backend(pid) from pg_stat_activity
    where datname = current_database() and query like 'alter table app.logs detach%' and pid <> pg_backend_pid()`;
  expect(await detaching).toBe('57014');
  await release();
}

const hidden = async () => (await readCheck(db.sql, 'hidden_partitions')).findings;

it('a partition that someone left half detached is critical, and the fix ends that', async () => {
  await interruptDetach('app.logs_2020');
  expect(await db.sql`select from app.logs`).toHaveLength(1);
  const [found] = await hidden();
  expect(found).toMatchObject({ subject: 'app.logs_2020', level: 'critical' });
  await db.sql.unsafe(found?.fix ?? '');
  expect(await hidden()).toEqual([]);
});

it('a run finishes it when it is due, and leaves it alone, still critical, when it is not', async () => {
  await db.sql`select nightshift.add_partition_policy('app.logs', '1 year', max_fraction => 1)`;
  await interruptDetach('app.logs_2020');
  await runMaintenance(db);
  expect(await hidden()).toMatchObject([{ subject: 'app.logs_2020', level: 'critical' }]);

  await db.sql`select nightshift.alter_partition_policy('app.logs', retention => '2 years')`;
  await runMaintenance(db, { dryRun: true });
  expect(await db.sql`select from nightshift.retired_partitions`).toHaveLength(0);
  await runMaintenance(db);
  expect(await hidden()).toEqual([]);
  expect(Object.keys(await partitionsOf(db.sql, 'app.logs'))).not.toContain('logs_2020');
  expect(
    await db.sql`
    select status from nightshift.retired_partitions where partition_name = 'app.logs_2020'`,
  ).toEqual([{ status: 'detached' }]);
  expect(await db.sql`select from app.logs_2020`).toHaveLength(1);
});

it('a retired partition that would not be due now is a warning, and comes back by its fix', async () => {
  await db.sql`
    select nightshift.add_partition_policy('app.logs', '1 year', retention => '2 years', max_fraction => 1)`;
  await runMaintenance(db);
  expect(await hidden()).toEqual([]);
  await db.sql`select nightshift.alter_partition_policy('app.logs', retention => '90 years')`;
  const found = await hidden();
  expect(found.map(({ subject, level }) => [subject, level]).sort()).toEqual([
    ['app.logs_2020', 'warning'],
    ['app.logs_2021', 'warning'],
  ]);
  for (const { fix } of found) await db.sql.unsafe(fix ?? '');
  expect(await hidden()).toEqual([]);
  expect(await db.sql`select from app.logs`).toHaveLength(2);
});

it('a stop while a detach is being prepared leaves it the time that it would have had', async () => {
  await db.sql`
    select nightshift.add_partition_policy('app.logs', '1 year', retention => '2 years', max_fraction => 1)`;
  const stop = new Stop();
  const timeouts: number[] = [];
  const { run } = await withDirect(db.url, (direct) =>
    runMaintenance(
      db,
      {},
      {
        stop,
        deadline: endless(100_000),
        direct: {
          ...direct,
          execute(statement, options) {
            timeouts.push(options.timeoutMs);
            return direct.execute(statement, options);
          },
        },
        beforeCall: (name) => name === 'begin_detach' && stop.raise(stoppedByHand('Ctrl-C')),
      },
    ),
  );
  expect(run.status).toBe('interrupted');
  expect(timeouts).toEqual([50_000]);
  expect(await db.sql`select from pg_inherits where inhdetachpending`).toEqual([]);
  expect((await runMaintenance(db)).run.status).toBe('succeeded');
  expect(Object.keys(await partitionsOf(db.sql, 'app.logs'))).not.toContain('logs_2020');
});
