import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../../support/database.ts';
import { readCheck } from '../../support/health.ts';
import { createLogs, logs, runMaintenance, stepOf } from '../../support/partitions.ts';
import { runPurge, stepOf as stepOfPurge } from '../../support/purge.ts';

const db = setUpDatabase();
const mallory = `mallory_of_jobs_${process.pid}`;
beforeAll(() => db.sql.unsafe(`create role ${mallory}`));
afterAll(() => db.sql.unsafe(`drop owned by ${mallory} cascade; drop role ${mallory}`));
beforeEach(() => startAfresh(db.sql));

/** Whatever it would do, it does not: it fails all that runs it, as anyone. */
const bait = (table: string, columns: string, references: string) => `
  create function app.fails(integer) returns boolean language plpgsql immutable as $$
  begin if $1 > 0 then raise exception 'ran as %', current_user; end if; return true; end $$;
  create table app.bait (${columns}, foreign key (${references}) references ${table} (${references}));
  create index on app.bait (id) where app.fails(0);
  create or replace function app.fails(integer) returns boolean language plpgsql immutable as $$
  begin raise exception 'ran as %', current_user; end $$;
  alter table app.bait owner to ${mallory}`;

const belongs = { code: 'NS422', message: `app.bait belongs to ${mallory}` };

describe('a table to which one of someone else refers', () => {
  it.each([
    ['a dry run', { dryRun: true }],
    ['a run', {}],
  ])('fails its step in %s of partition-maintenance, and the others go on', async (_, input) => {
    await createLogs(db.sql, { policy: ", retention => '8 days', max_fraction => 1" });
    await db.sql.unsafe(`
      create table app.calm (day date) partition by range (day);
      select nightshift.add_partition_policy('app.calm', '1 day');
      ${bait(logs, 'id bigint, at timestamptz', 'id, at')}`);
    const result = await runMaintenance(db, input);
    expect(stepOf(result, logs)).toMatchObject({ status: 'failed', error: belongs });
    expect(stepOf(result, 'app.calm')).toMatchObject({ status: 'succeeded' });
    expect(stepOf(result, 'app.calm').created.length).toBeGreaterThan(0);
  });

  it.each([
    ['a dry run', { dryRun: true }],
    ['a run', {}],
  ])('fails its step in %s of retention-purge, and the others go on', async (_, input) => {
    await db.sql.unsafe(`
      create table app.orders (id integer primary key, deleted_at timestamptz); create index on app.orders (deleted_at);
      create table app.calm (like app.orders including all);
      insert into app.orders select n, case when n <= 5 then now() - interval '40 days' end from generate_series(1, 100) n;
      insert into app.calm select * from app.orders;
      select nightshift.add_retention_policy(t::regclass, '30 days') from unnest(array['app.orders', 'app.calm']) t;
      ${bait('app.orders', 'id integer', 'id')}`);
    const result = await runPurge(db, input);
    expect(stepOfPurge(result, 'app.orders')).toMatchObject({ status: 'failed', error: belongs });
    expect(stepOfPurge(result, 'app.calm')).toMatchObject({ status: 'succeeded', rowsPurged: 5 });
  });
});

it('a default partition of someone else is unknown to the health check, and the others are known', async () => {
  await db.sql.unsafe(`
    create table app.p (day date) partition by range (day); create table app.rest partition of app.p default;
    create table app.q (day date) partition by range (day); create table app.q_rest partition of app.q default;
    insert into app.q values ('2020-01-01');
    alter table app.rest owner to ${mallory}`);
  const { measured, findings } = await readCheck(db.sql, 'default_partition_rows');
  expect(measured).toBe(2);
  expect(findings).toMatchObject([
    { subject: 'app.q', value: 1 },
    { subject: 'app.p', level: 'unknown', detail: `app.rest belongs to ${mallory}` },
  ]);
});
