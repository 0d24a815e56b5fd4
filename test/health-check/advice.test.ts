import { beforeEach, describe, expect, it } from 'vitest';
import type { HealthFinding } from '../../functions/health-check/schema.ts';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { readCheck, readHealth } from '../support/health.ts';
import { runMaintenance } from '../support/partitions.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const run = (statements: string) => db.sql.unsafe(statements);

const find = async (check: string): Promise<HealthFinding[]> =>
  (await readCheck(db.sql, check)).findings;

/** Of the tables in app. */
const adviceOnApp = async () =>
  (await readHealth(db.sql)).checks.flatMap(({ name, findings }) =>
    findings
      .filter(({ subject }) => subject?.includes('app.'))
      .map(({ subject }) => `${name} ${subject}`),
  );

describe('an application that was migrated a minute ago', () => {
  const schema = `
    create table app.tenant (id bigint primary key);
    create table app.project (tenant_id bigint references app.tenant, id bigint, primary key (tenant_id, id));
    create table app.task (
      id bigint primary key, tenant_id bigint, project_id bigint, parent_id bigint references app.task, title text,
      foreign key (tenant_id, project_id) references app.project
    );
    create index on app.task (tenant_id);
    create index on app.task (tenant_id, title);
    create table app.event (id bigint, at timestamptz not null) partition by range (at);
    create table app.event_default partition of app.event default;
    create table app.archive (id bigint, at date not null) partition by range (at);`;

  it('is left in peace', async () => {
    await run(schema);
    expect(await adviceOnApp()).toEqual([]);
    expect((await readCheck(db.sql, 'database_growth')).level).toBe('ok');
  });

  it('hears of a key and an index once there are rows enough, and of neither just below', async () => {
    const fill = (from: number, to: number) => `
      insert into app.tenant select n from generate_series(${from}, ${to}) n;
      insert into app.project select n, n from generate_series(${from}, ${to}) n;
      insert into app.task (id, tenant_id, project_id, title)
      select n, n, n, 'task ' || n from generate_series(${from}, ${to}) n;
      analyze app.task;`;
    await run(schema + fill(1, 999));
    expect(await adviceOnApp()).toEqual([]);
    await run(fill(1_000, 1_000));
    expect(await adviceOnApp()).toEqual(['foreign_keys_without_index app.task (parent_id)']);
    await run(fill(1_001, 60_000));
    await run('vacuum app.task');
    expect(await adviceOnApp()).toEqual([
      'duplicate_indexes app.task_tenant_id_idx',
      'foreign_keys_without_index app.task (parent_id)',
    ]);
  });
});

describe('the room ahead of a table without a policy', () => {
  const monthOf = (offset: string) => `
    create table app.log (id bigint, at timestamptz not null) partition by range (at);
    do $$ begin execute format('create table app.log_last partition of app.log for values from (%L) to (%L)',
      now() ${offset} - interval '30 days', now() ${offset}); end $$;`;

  it('is missed when its last partition ended months ago, and the fix makes it', async () => {
    await run(monthOf(`- interval '4 months'`));
    const [found] = await find('partition_horizon');
    expect(found).toMatchObject({
      subject: 'app.log',
      level: 'warning',
      value: 0,
      detail: expect.stringMatching(
        /^It has no partition policy; app\.log_last, its last partition, ends on .* are refused/,
      ),
    });
    await run(found?.fix ?? '');
    expect(await find('partition_horizon')).toEqual([]);
    await run('insert into app.log values (1, now())');
  });

  it('is missed when its policy is switched off, and the fix switches it on', async () => {
    await run(`
      ${monthOf(`- interval '1 month'`)}
      select nightshift.add_partition_policy('app.log', '1 month');
      select nightshift.alter_partition_policy('app.log', enabled => false);`);
    const [found] = await find('partition_horizon');
    expect(found?.detail).toMatch(/no partition policy that is switched on/);
    await run(found?.fix ?? '');
    expect(await find('partition_horizon')).toEqual([]);
  });

  it.each([
    ['ends in three weeks', monthOf(`+ interval '21 days'`)],
    [
      'always has one',
      `create table app.log (at date) partition by range (at);
       create table app.log_all partition of app.log for values from (minvalue) to (maxvalue)`,
    ],
    [
      'is a part of a part of time',
      `create table app.log (at date) partition by range (at);
       create table app.past partition of app.log for values from ('2020-01-01') to ('2021-01-01') partition by range (at);
       create table app.past_1 partition of app.past for values from ('2020-01-01') to ('2020-07-01');
       create table app.rest partition of app.log for values from ('2021-01-01') to ('infinity')`,
    ],
    [
      'counts numbers',
      `create table app.log (id bigint) partition by range (id);
       create table app.log_1 partition of app.log for values from (0) to (100)`,
    ],
  ])('is not, when it %s', async (_, create) => {
    await run(create);
    expect(await find('partition_horizon')).toEqual([]);
  });
});

it('a retired partition gets no advice, and one that a person detached does', async () => {
  await run(`
    create table app.customer (id bigint primary key);
    insert into app.customer select n from generate_series(1, 60000) n;
    create table app.visit (id bigint, at date not null, customer bigint references app.customer) partition by range (at);
    create table app.visit_2020 partition of app.visit for values from ('2020-01-01') to ('2021-01-01');
    create table app.visit_2021 partition of app.visit for values from ('2021-01-01') to ('2022-01-01');
    insert into app.visit select n, '2020-05-05', n from generate_series(1, 60000) n;
    create index on app.visit_2020 (id);
    create index on app.visit_2020 (id, at);
    select nightshift.add_partition_policy('app.visit', '1 year', retention => '2 years');
    select nightshift.create_missing_partitions('app.visit');
    analyze app.visit_2020;`);
  const { run: night } = await runMaintenance(db);
  expect(night.status).toBe('succeeded');
  expect(await adviceOnApp()).toEqual([]);
  await run(`update nightshift.retired_partitions set status = 'released'`);
  expect(await adviceOnApp()).toEqual(['duplicate_indexes app.visit_2020_id_idx']);
});

describe('the fix of a view that is open to the API', () => {
  it('names the policies and views that it takes from whoever uses them', async () => {
    await run(`
      grant usage on schema app to authenticated;
      create materialized view app.membership as select 1 as team;
      grant select on app.membership to authenticated;
      create table app.note (team integer);
      alter table app.note enable row level security;
      create policy own_team on app.note using (team in (select m.team from app.membership m));
      create view app.mine with (security_invoker) as select * from app.membership;
      create view app.of_owner as select * from app.membership;`);
    const [found] = await find('views_exposed');
    expect(found?.detail).toMatch(/gets 42501 then, as do those who use /);
    expect(found?.detail).toContain('policy own_team on table app.note');
    expect(found?.detail).toContain('view app.mine');
    expect(found?.detail).not.toContain('of_owner');
    await run(found?.fix ?? '');
    await run('grant select on app.note, app.mine to authenticated');
    for (const relation of ['app.note', 'app.mine']) {
      const reading = db.sql.begin((sql) =>
        sql.unsafe(`set local role authenticated; select * from ${relation}`),
      );
      await expect(reading).rejects.toMatchObject({ code: '42501' });
    }
  });
});

describe('an index that nobody has read', () => {
  const unread = `
    create table app.wide as select n as id, n as value from generate_series(1, 60000) n;
    create index on app.wide (value) with (fillfactor = 10);`;
  const foundIn = async (ahead: string) =>
    (await readCheck(db.sql, 'unused_indexes', ahead)).findings.map(({ subject }) => subject);

  it('is not said to be unused while statistics are younger than 35 days', async () => {
    await run(unread);
    expect(await foundIn('0')).toEqual([]);
    expect(await foundIn('34 days')).toEqual([]);
    expect(await foundIn('36 days')).toEqual(['app.wide_value_idx']);
    const [row] = await db.sql`select detail from nightshift.health_unused_indexes(now())`;
    expect(row?.detail).toMatch(/^Not known yet: statistics began on \d{4}-/);
  });

  it('is not while it is younger than that itself, however old the statistics are', async () => {
    await run(`delete from nightshift.trend_points`);
    const { sql } = db;
    const note = (days: number) => sql`
      insert into nightshift.trend_points (kind, subject, at, bytes, newest_oid)
      select 'database', '', now() + make_interval(days => ${days}), 1, max(oid) from pg_class
      on conflict (kind, subject, at) do update set newest_oid = excluded.newest_oid`;
    await note(0);
    await run(unread);
    expect(await foundIn('40 days')).toEqual([]);
    await note(1);
    expect(await foundIn('34 days')).toEqual([]);
    expect(await foundIn('40 days')).toEqual(['app.wide_value_idx']);
    await run(`delete from nightshift.trend_points`);
  });
});
