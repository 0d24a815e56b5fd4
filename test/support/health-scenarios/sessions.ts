import postgres from 'postgres';
import type { TestDatabase } from '../database.ts';
import { type HealthScenario, holdLock, holdTransaction } from '../health.ts';
import { until } from '../waiting.ts';

export const sessionScenarios: HealthScenario[] = [
  {
    check: 'long_transactions',
    ahead: '45 minutes',
    finding: {
      subject: /^pid \d+$/,
      level: 'warning',
      detail: /^\S+ as \w+, idle in transaction; holds back vacuum by \d+ transactions$/,
    },
    // As a long report, which is to see all of it as of the same moment.
    sicken: (db) =>
      holdTransaction(db, 'set transaction isolation level repeatable read; select 1'),
    mend: 'fix',
    obstruct: { revokeRole: 'pg_monitor' },
    unknown: /sees only its own sessions/,
  },
  {
    check: 'idle_in_transaction',
    ahead: '61 minutes',
    finding: {
      subject: /^pid \d+$/,
      level: 'critical',
      detail: /idle in transaction; its transaction has been open for 01:01:/,
    },
    sicken: (db) => holdTransaction(db, 'select 1'),
    mend: 'fix',
    obstruct: { revokeRole: 'pg_monitor' },
    unknown: /sees only its own sessions/,
  },
  {
    check: 'blocked_sessions',
    ahead: '6 minutes',
    finding: {
      subject: /^pid \d+$/,
      level: 'warning',
      detail: /waits for AccessShareLock on app\."Queue"; blocked by pid \d+$/,
    },
    sicken: async (db) => {
      await db.sql`create table app."Queue" (id integer)`;
      const release = await holdLock(db, 'app."Queue"');
      const reader = db.connect();
      const answer = reader`select from app."Queue"`.execute();
      await until('the reader waits', () => someoneWaits(db));
      return async () => {
        await release();
        await answer;
        await reader.end();
        await db.sql`drop table app."Queue"`;
      };
    },
    mend: 'fix',
    obstruct: { revokeRole: 'pg_monitor' },
    unknown: /sees only its own sessions/,
  },
  {
    check: 'inactive_replication_slots',
    finding: { subject: 'slot left_behind', level: 'warning', detail: /^physical; wal status/ },
    sicken: async ({ sql }) => {
      await sql`select pg_create_physical_replication_slot('left_behind', true)`;
    },
    // Its reader may come back, so the fix only looks.
    mend: ({ sql }) => sql`select pg_drop_replication_slot('left_behind')`,
    obstruct: { revoke: 'pg_catalog.pg_replication_slots' },
  },
  {
    check: 'replication_lag',
    finding: { subject: 'slot laggard', level: 'warning', detail: / to replica; \d+ MB of it not/ },
    sicken: async (db) => {
      const replica = await startReplica(db, 'laggard');
      // Each leaves the rest of 16 MB of WAL unused.
      for (let segment = 0; segment < 7; segment++) {
        await db.sql`select pg_logical_emit_message(false, 'test', ''), pg_switch_wal()`;
      }
      return () => replica.end({ timeout: 0 });
    },
    mend: async ({ sql }) => {
      await sql`select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'laggard'`;
      await until('the replica is gone', async () => {
        const slots = await sql`select from pg_replication_slots where slot_name = 'laggard'`;
        return slots.length === 0;
      });
    },
    obstruct: { revokeRole: 'pg_monitor' },
    unknown: /sees only its own sessions/,
  },
];

async function someoneWaits({ sql }: TestDatabase): Promise<boolean> {
  const waiting = await sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  return waiting.length > 0;
}

/** Receives WAL through a slot that goes when it goes, and never says that it has. */
async function startReplica({ url, sql }: TestDatabase, slot: string): Promise<postgres.Sql> {
  const replica = postgres(url, {
    max: 1,
    fetch_types: false,
    connection: { replication: 'true', application_name: 'replica' },
  });
  await replica.unsafe(`CREATE_REPLICATION_SLOT ${slot} TEMPORARY PHYSICAL RESERVE_WAL`).simple();
  const [start] = await sql<{ lsn: string }[]>`
    select restart_lsn::text as lsn from pg_replication_slots where slot_name = ${slot}`;
  const wal = await replica
    .unsafe(`START_REPLICATION SLOT ${slot} PHYSICAL ${start?.lsn}`)
    .simple()
    .readable();
  wal.on('error', () => {}).resume();
  return replica;
}
