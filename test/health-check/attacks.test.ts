import postgres from 'postgres';
import { beforeEach, describe, expect, it } from 'vitest';
import { setUpDatabase, startAfresh } from '../support/database.ts';
import { holdTransaction, readCheck, readHealth } from '../support/health.ts';
import { until } from '../support/waiting.ts';

const db = setUpDatabase();
beforeEach(() => startAfresh(db.sql));

const levels = async (at = 'now()') => {
  const [row] = await db.sql.unsafe(`select nightshift.last_health_levels(${at}) as levels`);
  return row?.levels as Record<string, string>;
};

describe('a health check', () => {
  // The roles of a server outlive a test.
  it('runs no code of whoever exchanges a sequence for a view meanwhile', async () => {
    await db.sql.unsafe(`
        create role health_mallory login password 'secret';
        create schema mallory authorization health_mallory;
        set role health_mallory;
        create sequence mallory.one as integer;
        create sequence mallory.two as integer;
        create sequence mallory.marks;
        create function mallory.mark() returns bigint language sql volatile as $$ select nextval('mallory.marks') $$;
        reset role`);
    const url = new URL(db.url);
    url.username = 'health_mallory';
    url.password = 'secret';
    const mallory = postgres(url.href, { max: 1, onnotice: () => {} });
    try {
      // Whichever is read first, the other is exchanged while it is waited for.
      for (const [locked, other] of [
        ['one', 'two'],
        ['two', 'one'],
      ]) {
        await db.sql`alter function nightshift.health_sequences(timestamptz) set lock_timeout = '2s'`;
        const release = await holdTransaction(
          db,
          `alter sequence mallory.${locked} rename to gone`,
        );
        const check = readCheck(db.sql, 'sequences');
        await until('it waits, or has passed', async () => {
          const waits = await db.sql`select from pg_locks where not granted`;
          return waits.length > 0;
        });
        await mallory.unsafe(
          `drop sequence mallory.${other}; create view mallory.${other} as select mallory.mark() as last_value`,
        );
        await release();
        await check;
        await mallory.unsafe(
          `drop view mallory.${other}; create sequence mallory.${other} as integer`,
        );
      }
      const [marks] = await db.sql`select is_called from mallory.marks`;
      expect(marks?.is_called).toBe(false);
    } finally {
      await mallory.end();
      await db.sql`alter function nightshift.health_sequences(timestamptz) set lock_timeout = '20ms'`;
      await db.sql.unsafe('drop owned by health_mallory cascade; drop role health_mallory');
    }
  });

  it('keeps no lock on a table once it has looked', async () => {
    await db.sql`create table app.docs (id int primary key, deleted_at timestamptz)`;
    await db.sql`create index on app.docs (deleted_at) where deleted_at is not null`;
    await db.sql`select nightshift.add_retention_policy('app.docs', '90 days')`;
    await db.sql.begin(async (sql) => {
      const [row] = await sql`select nightshift.get_health() as document`;
      expect(row?.document.checks.length).toBeGreaterThan(30);
      expect(
        await sql`
          select mode from pg_locks where pid = pg_backend_pid() and relation = 'app.docs'::regclass`,
      ).toEqual([]);
    });
  });

  it('does not take the time when a row was written for that of its deletion', async () => {
    await db.sql`
      create table app.log (id int primary key, created_at timestamptz default now(), deleted_at timestamptz default null)`;
    await db.sql`create index on app.log (created_at)`;
    await db.sql`insert into app.log select i, now() - interval '5 minutes' from generate_series(1, 200) i`;
    await db.sql`select nightshift.add_retention_policy('app.log', '90 days', marker_column => 'created_at')`;
    expect(await readCheck(db.sql, 'soft_deletes')).toMatchObject({ level: 'ok', measured: 0 });
    expect(await readCheck(db.sql, 'soft_deleted_share')).toMatchObject({ measured: 0 });
    await expect(
      db.sql`select nightshift.enable_soft_delete('app.log', marker_column => 'created_at')`,
    ).rejects.toMatchObject({
      code: 'NS422',
      message: /created_at .* set when a row is written/,
    });
    await db.sql`create index on app.log (deleted_at)`;
    await db.sql`select nightshift.remove_retention_policy('app.log')`;
    await db.sql`select nightshift.add_retention_policy('app.log', '90 days')`;
    expect(await readCheck(db.sql, 'soft_deletes')).toMatchObject({ measured: 1 });
  });

  it.each(['(tenant, deleted_at)', '(deleted_at) where tenant = 1'])(
    'is unknown, and reads no large table as a whole, where the index left is on %s',
    async (index) => {
      await db.sql`create table app.big (id int primary key, tenant int, deleted_at timestamptz, pad text)`;
      await db.sql`insert into app.big select i, 1, null, repeat('x', 400) from generate_series(1, 25000) i`;
      await db.sql`create index good on app.big (deleted_at)`;
      await db.sql`vacuum analyze app.big`;
      await db.sql`select nightshift.add_retention_policy('app.big', '90 days')`;
      expect(await readCheck(db.sql, 'soft_deletes')).toMatchObject({ level: 'ok', measured: 1 });
      await db.sql`drop index app.good`;
      await db.sql.unsafe(`create index on app.big ${index}`);
      for (const check of ['soft_deletes', 'backlog_age']) {
        const { level, findings } = await readCheck(db.sql, check);
        expect(level).toBe('unknown');
        expect(findings[0]?.detail).toMatch(/^No index serves deleted_at/);
      }
    },
  );

  it.each(['NaN', 'Infinity', '-Infinity'])('takes no threshold of %s', async (warning) => {
    await expect(
      db.sql`select nightshift.set_health_threshold('connections', null, warning => ${warning})`,
    ).rejects.toMatchObject({ code: 'NS422' });
  });

  it('answers in JSON whatever a threshold became', async () => {
    await db.sql`insert into nightshift.health_thresholds (check_name, info, critical) values ('connections', 0, 'Infinity')`;
    const { checks } = await readHealth(db.sql, { only: ['connections'] });
    expect(checks[0]?.findings[0]).toMatchObject({ level: 'info', critical: null });
    await db.sql`select nightshift.remove_health_threshold('connections')`;
  });
});

describe('what the last full look found', () => {
  it('is unknown for what it had no time for, and as a whole a day later', async () => {
    const run = (report: object, ago: string) => db.sql`
      insert into nightshift.runs (job, trigger, request_id, status, started_at, finished_at, report)
      values ('health-check', 'schedule', gen_random_uuid(), 'partial', now() - ${ago}::interval, now() - ${ago}::interval,
        ${db.sql.json(report as never)})`;
    expect(await levels()).toEqual({});
    const checks = [{ name: 'sequences', level: 'warning', quick: false }];
    await run({ quick: false, checks, notRun: ['dead_tuples'] }, '25 hours');
    expect(await levels()).toEqual({ sequences: 'warning', dead_tuples: 'unknown' });
    const later = await levels(`now() + interval '2 hours'`);
    expect(later).toMatchObject({ sequences: 'unknown', unused_indexes: 'unknown' });
    expect(later).not.toHaveProperty('connections');
    await db.sql`delete from nightshift.runs`;
    // It is forgotten after a week, and the quick ones go on.
    await run({ quick: true, checks: [], notRun: [] }, '30 hours');
    expect(await levels()).toMatchObject({ sequences: 'unknown' });
  });
});
