import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDatabase, startAfresh, type TestDatabase } from '../support/database.ts';
import {
  createLogs,
  dueLogs,
  letGracePass,
  logs,
  partitionsOf,
  runMaintenance,
  stepOf,
} from '../support/partitions.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
  await db.sql.unsafe(`
    do $$ begin create role nightshift_low; exception when duplicate_object then null; end $$`);
});
afterAll(async () => {
  await db.sql.unsafe('drop owned by nightshift_low cascade; drop role nightshift_low');
  await db.drop();
});
beforeEach(() => startAfresh(db.sql));

const retiring = ", retention => '8 days', retire => 'drop'";
const statusOf = async () =>
  (await db.sql`select status from nightshift.retired_partitions order by id`).map(
    ({ status }) => status,
  );
/** As a run that dies between the intention and the deed. */
async function beginDetach(): Promise<void> {
  await db.sql.unsafe(`
    select nightshift.begin_detach((run ->> 'id')::uuid, (run ->> 'fence')::bigint, '${logs}')
    from (select nightshift.begin_run('partition-maintenance', 'cli') -> 'run') r(run);
    update nightshift.runs set status = 'lost', finished_at = now() where status = 'running'`);
}

describe('whoever owns something around a table', () => {
  it.each([
    ['a partition', `alter table app.logs_d2 owner to nightshift_low`, 'app.logs_d2'],
    [
      'a table that refers to it',
      `create table app.child (id bigint, at timestamptz, foreign key (id, at) references app.logs);
      alter table app.child owner to nightshift_low`,
      'app.child',
    ],
  ])('has none of its code run with our rights: %s', async (_, deed, name) => {
    await createLogs(db.sql, { policy: retiring });
    await db.sql.unsafe(deed);
    const run = await runMaintenance(db);
    expect(stepOf(run, logs)).toMatchObject({
      status: 'failed',
      error: { code: 'NS422', message: `${name} belongs to nightshift_low` },
    });
  });
});

describe('a detach that was begun and not done', () => {
  it('does not keep other tables from their partitions when its table is gone', async () => {
    await createLogs(db.sql, { policy: retiring });
    await beginDetach();
    await db.sql.unsafe(`
      alter table app.logs detach partition app.logs_d10;
      drop table app.logs;
      select nightshift.remove_partition_policy(parent::oid::regclass) from nightshift.partition_policies;
      create table app.other (day date) partition by range (day);
      select nightshift.add_partition_policy('app.other', '1 day')`);
    const run = await runMaintenance(db);
    expect(stepOf(run, 'app.other')).toMatchObject({ status: 'succeeded', missing: 0 });
    expect(await statusOf()).toEqual(['gone']);
  });

  it('makes nothing ours that a person detached, or attached elsewhere', async () => {
    await createLogs(db.sql, { policy: retiring });
    await beginDetach();
    await db.sql.unsafe(`
      alter table app.logs detach partition app.logs_d10;
      create table app.archive (like app.logs) partition by range (at);
      alter table app.archive attach partition app.logs_d10 for values from (minvalue) to (maxvalue)`);
    await runMaintenance(db);
    await db.sql`insert into app.archive values (1, now(), 'of any time')`;
    await letGracePass(db.sql);
    await runMaintenance(db);
    expect(await db.sql`select from app.archive`).toHaveLength(11);

    await startAfresh(db.sql);
    await createLogs(db.sql, { policy: retiring });
    await beginDetach();
    await db.sql`alter table app.logs detach partition app.logs_d10`;
    await runMaintenance(db);
    expect((await statusOf())[0]).toBe('released');
    await letGracePass(db.sql);
    await runMaintenance(db);
    expect(await db.sql`select from app.logs_d10`).toHaveLength(10);
  });
});

describe('what a partition shows', () => {
  it.each([
    ['to whom a column was granted', 'grant select (note) on app.logs_d1 to anon'],
    [
      'through a policy of its own',
      `alter table app.logs_d1 enable row level security; grant select on app.logs_d1 to anon;
      create policy everyone on app.logs_d1 using (true)`,
    ],
  ])('%s is reported, and closed', async (_, deed) => {
    await createLogs(db.sql);
    await db.sql.unsafe(`
      grant usage on schema app to anon; alter table app.logs enable row level security; ${deed}`);
    const exposed = async () => {
      const [row] = await db.sql`select nightshift.check_partition_sizes('app.logs') as sizes`;
      return row?.sizes.filter((size: { exposed: boolean }) => size.exposed).length;
    };
    expect(await exposed()).toBe(1);
    await db.sql`select nightshift.secure_partitions('app.logs')`;
    expect(await exposed()).toBe(0);
  });

  it('is closed when it is retired, also through grants that were passed on', async () => {
    await createLogs(db.sql, { policy: retiring });
    await db.sql.unsafe(`
      grant usage on schema app to anon;
      grant select on app.logs_d10 to anon with grant option;
      set role anon; grant select on app.logs_d10 to authenticated; reset role`);
    const run = await runMaintenance(db);
    expect(stepOf(run, logs).retired.map(({ partition }) => partition)).toEqual(dueLogs);
  });
});

describe('one table that is odd', () => {
  it('keeps the plan of the others from nothing: a date beyond all timestamps', async () => {
    await db.sql.unsafe(`
      create table app.odd (day date) partition by range (day);
      create table app.odd_1 partition of app.odd for values from ('2020-01-01') to ('5874897-12-31');
      create table app.even (day date) partition by range (day);
      select nightshift.add_partition_policy('app.odd', '1 month');
      select nightshift.add_partition_policy('app.even', '1 month')`);
    const run = await runMaintenance(db);
    expect(run.run.status).toBe('succeeded');
    expect(Object.keys(await partitionsOf(db.sql, 'app.even'))).toHaveLength(5);
  });

  it('has its partitions although a publication of its siblings cannot be followed', async () => {
    await db.sql.unsafe(`
      create table app.p (id integer, day date, active boolean) partition by range (day);
      create table app.p_1 partition of app.p for values from ('2020-01-01') to ('2020-02-01');
      create publication attacked for table app.p_1 where (active);
      select nightshift.add_partition_policy('app.p', '1 year', premake => 1)`);
    const run = await runMaintenance(db);
    await db.sql`drop publication attacked`;
    expect(stepOf(run, 'app.p')).toMatchObject({ status: 'succeeded', missing: 0 });
  });

  it('is warned of: a unique index that only its partitions have', async () => {
    await db.sql.unsafe(`
      create table app.p (id integer, day date) partition by range (day);
      create table app.p_1 partition of app.p (primary key (id)) for values from ('2020-01-01') to ('2020-02-01')`);
    const [row] = await db.sql`select nightshift.add_partition_policy('app.p', '1 year') as policy`;
    expect(row?.policy.warnings).toContainEqual(
      expect.stringMatching(/^app.p_1 has the unique index app.p_1_pkey/),
    );
  });

  it('is refused: a part of time', async () => {
    await db.sql.unsafe(`
      create table app.top (day date) partition by range (day);
      create table app.part partition of app.top for values from ('2026-01-01') to ('2027-01-01') partition by range (day)`);
    await expect(
      db.sql`select nightshift.add_partition_policy('app.part', '1 month')`,
    ).rejects.toMatchObject({ code: 'NS422', message: expect.stringContaining('a part of time') });
  });
});

it('an interval that a partition cuts in two is emptied on either side, and no further', async () => {
  await db.sql.unsafe(`
    create table app.m (day date, n integer) partition by range (day);
    create table app.middle partition of app.m for values from ('2026-01-10') to ('2026-01-12');
    create table app.rest partition of app.m default;
    insert into app.m select '2026-01-20', n from generate_series(1, 3000) n;
    select nightshift.add_partition_policy('app.m', '1 month', premake => 1)`);
  let calls = 0;
  for (let done = false; !done && calls < 20; calls++) {
    const [row] = await db.sql`
      select nightshift.create_missing_partitions('app.m', '2026-03-15', 1000) ->> 'done' as done`;
    done = row?.done === 'true';
  }
  expect(calls).toBeLessThan(5);
  expect(await db.sql`select from app.rest`).toEqual([]);
  expect(await db.sql`select from app.m`).toHaveLength(3000);
});
