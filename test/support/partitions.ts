import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Sql } from 'postgres';
import { systemClock } from '../../functions/_shared/clock.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc, type Rpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import type { RunDependencies, RunResult } from '../../functions/_shared/run-types.ts';
import { job } from '../../functions/partition-maintenance/job.ts';
import type {
  PartitionReport,
  PartitionStep,
} from '../../functions/partition-maintenance/schema.ts';
import type { TestDatabase } from './database.ts';
import { endless } from './deadline.ts';
import { startTraffic, type Traffic } from './traffic.ts';

const budgetMs = 60_000;

interface MaintenanceOptions extends Partial<RunDependencies> {
  /** The clock of the database, for this run. */
  asOf?: string;
  resume?: { runId: string; attempt: number };
  /** Awaited before each call of the run, by the name of its function. */
  beforeCall?: (name: string, args: object) => unknown;
}

/** Maintains partitions as the functions do: the job under the ledger, through supabase-js and the Data API. */
export async function runMaintenance(
  db: TestDatabase,
  input: unknown = {},
  { asOf, resume, beforeCall, ...overrides }: MaintenanceOptions = {},
): Promise<RunResult & { report: PartitionReport }> {
  const deadline = overrides.deadline ?? endless(budgetMs);
  const rpc = createRpc(await db.gateway(), deadline);
  const result = await runJob(
    job,
    { trigger: 'cli', input, ...(resume ? { resume } : {}) },
    {
      rpc: interleaved(rpc, asOf, beforeCall),
      clock: systemClock,
      deadline,
      log: silentLog,
      metrics: noMetrics,
      ...overrides,
    },
  );
  return { ...result, report: result.run.report as PartitionReport };
}

function interleaved(
  rpc: Rpc,
  asOf: string | undefined,
  beforeCall: MaintenanceOptions['beforeCall'],
): Rpc {
  return {
    async call(name, args, answer, options) {
      await beforeCall?.(name, args);
      const timed = name === 'begin_run' && asOf ? { ...args, as_of: asOf } : args;
      return rpc.call(name, timed, answer, options);
    },
  };
}

/** What the report says of one table. */
export function stepOf({ report }: { report: PartitionReport }, table: string): PartitionStep {
  const step = report.steps.find((candidate) => candidate.table === table);
  if (!step) throw new Error(`The report has no step for ${table}`);
  return step;
}

/** The partitions of a table as Postgres has them: name and bounds, in the order of their names. */
export async function partitionsOf(sql: Sql, table: string): Promise<Record<string, string>> {
  const rows = await sql<{ name: string; bounds: string }[]>`
    select c.relname as name, replace(pg_get_expr(c.relpartbound, 0), 'FOR VALUES ', '') as bounds
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = ${table}::regclass and not i.inhdetachpending
    order by c.relname`;
  return Object.fromEntries(rows.map(({ name, bounds }) => [name, bounds]));
}

/** Runs the job in a process of its own, as the command line does. */
export async function spawnMaintenance(
  db: TestDatabase,
  databaseUrl?: string,
): Promise<ChildProcess> {
  const { url, secretKey } = await db.gateway();
  const { NIGHTSHIFT_DATABASE_URL: _, ...env } = process.env;
  const commandLine = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
  return spawn(process.execPath, [commandLine, 'run', 'partition-maintenance'], {
    env: {
      ...env,
      ...(databaseUrl ? { NIGHTSHIFT_DATABASE_URL: databaseUrl } : {}),
      SUPABASE_URL: url,
      SUPABASE_SECRET_KEY: secretKey,
      NO_COLOR: '1',
    },
    stdio: 'ignore',
  });
}

export const logs = 'app.logs';
export const dueLogs = ['app.logs_d10', 'app.logs_d9'];
/** Days with a partition, before any run: two are due, those from -5 to -3 are a gap. */
const partitionedDays = [-10, -9, -8, -7, -6, -2, -1, 0];

interface LogsOptions {
  withDefault?: boolean;
  /** Further arguments of the policy, as SQL. */
  policy?: string;
  /** Further columns and constraints, as SQL. */
  columns?: string;
}

/** A table by day with ten rows a day, those of the gap in the default partition if it has one. */
export async function createLogs(
  sql: Sql,
  { withDefault = false, policy = '', columns = '' }: LogsOptions = {},
): Promise<void> {
  const days = withDefault ? [...partitionedDays, -5, -4, -3, 300] : partitionedDays;
  await sql.unsafe(`
    create function app.day(n integer) returns timestamptz stable language sql
    return date_trunc('day', now(), 'UTC') + make_interval(days => n);
    create table app.logs (
      id bigint not null, at timestamptz not null, note text not null default '' ${columns}, primary key (id, at)
    ) partition by range (at);
    do $$
    declare n integer;
    begin
      foreach n in array array[${partitionedDays}] loop
        execute format('create table app.%I partition of app.logs for values from (%L) to (%L)',
          'logs_d' || -n, app.day(n), app.day(n + 1));
      end loop;
    end $$;
    ${withDefault ? 'create table app.logs_default partition of app.logs default;' : ''}
    insert into app.logs (id, at)
    select 1000 * (20 + day) + n, app.day(day) + n * interval '1 hour'
    from unnest(array[${days}]) day, generate_series(1, 10) n;
    select nightshift.add_partition_policy('app.logs', '1 day' ${policy});
  `);
}

/** Each id of the table and of what was taken out of it, in order: one that is there twice is there twice. */
export async function allIds(sql: Sql): Promise<number[]> {
  const tables = await sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class c
    where c.relnamespace = 'app'::regnamespace and c.relname like 'logs%' and c.relkind = 'r'`;
  const ids = await Promise.all(
    tables.map(({ name }) => sql.unsafe<{ id: string }[]>(`select id from only ${name}`)),
  );
  return ids
    .flat()
    .map(({ id }) => Number(id))
    .toSorted((a, b) => a - b);
}

/** As if partitions had been retired long enough ago to be dropped. */
export async function letGracePass(sql: Sql): Promise<void> {
  await sql`
    update nightshift.retired_partitions
    set retired_at = retired_at - interval '30 days', drop_after = drop_after - interval '30 days'`;
}

/** A transaction of another session that has executed a statement and stays open. */
export async function openTransaction(db: TestDatabase, statement: string): Promise<Sql> {
  const session = db.connect();
  await session`begin`;
  await session.unsafe(statement);
  return session;
}

/** Ends the backends of a client: of the Data API, or of the direct connection. */
export async function terminate(sql: Sql, client: 'api' | 'direct'): Promise<void> {
  await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database()
      and case ${client} when 'api' then usename = 'authenticator' else application_name = 'nightshift' end`;
}

/** Stops every command of a kind at its end, in mid-transaction, until the gate is opened. */
export async function closeGate(
  db: TestDatabase,
  tag: string,
  event = 'ddl_command_end',
): Promise<{ reached: () => Promise<boolean>; open: () => Promise<void> }> {
  await db.sql.unsafe(`
    create function app.gate() returns event_trigger language plpgsql set lock_timeout = 0 as $$
    begin
      perform pg_advisory_xact_lock_shared(4242);
    end $$;
    create event trigger gate on ${event} when tag in ('${tag}') execute function app.gate();
  `);
  const keeper = db.connect();
  await keeper`select pg_advisory_lock(4242)`;
  return {
    reached: async () => {
      const rows =
        await db.sql`select from pg_locks where locktype = 'advisory' and not granted and objid = 4242
          and database = (select oid from pg_database where datname = current_database())`;
      return rows.length > 0;
    },
    open: async () => {
      await keeper`select pg_advisory_unlock(4242)`;
    },
  };
}

/** An application that reads and writes the table. */
export const startLogging = (db: TestDatabase): Traffic =>
  startTraffic(db, [
    'select from app.logs',
    'update app.logs set note = note where id = 20001 and at > app.day(0)',
  ]);
