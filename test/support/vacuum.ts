import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Sql } from 'postgres';
import { systemClock } from '../../functions/_shared/clock.ts';
import { connectDirect } from '../../functions/_shared/direct.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc, type Rpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import type { RunDependencies, RunResult } from '../../functions/_shared/run-types.ts';
import { job } from '../../functions/table-vacuum/job.ts';
import type { VacuumReport } from '../../functions/table-vacuum/schema.ts';
import type { TestDatabase } from './database.ts';
import { endless } from './deadline.ts';

interface VacuumOptions extends Partial<RunDependencies> {
  resume?: { runId: string; attempt: number };
  /** Where the direct connection leads; null for none. */
  databaseUrl?: string | null;
  /** Awaited before each call of one of these functions. */
  before?: Record<string, () => unknown>;
}

/** Vacuums as the functions do: the job under the ledger, over the Data API and a direct connection. */
export async function runVacuum(
  db: TestDatabase,
  input: unknown = {},
  { resume, databaseUrl = db.url, before = {}, ...overrides }: VacuumOptions = {},
): Promise<RunResult & { report: VacuumReport }> {
  const deadline = overrides.deadline ?? endless(60_000);
  const rpc = createRpc(await db.gateway(), deadline);
  const result = await runJob(
    job,
    { trigger: 'cli', input, ...(resume ? { resume } : {}) },
    {
      rpc: interleaved(rpc, before),
      direct: databaseUrl === null ? undefined : connectDirect(databaseUrl, deadline),
      clock: systemClock,
      deadline,
      log: silentLog,
      metrics: noMetrics,
      ...overrides,
    },
  );
  return { ...result, report: result.run.report as VacuumReport };
}

function interleaved(rpc: Rpc, before: Record<string, () => unknown>): Rpc {
  return {
    async call(name, args, answer, options) {
      await before[name]?.();
      return rpc.call(name, args, answer, options);
    },
  };
}

const commandLine = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

/** A run in a process of its own, which can be killed. */
export async function spawnVacuum(
  db: TestDatabase,
  options: readonly string[] = [],
): Promise<ChildProcess> {
  const { url, secretKey } = await db.gateway();
  return spawn(process.execPath, [commandLine, 'run', 'table-vacuum', ...options], {
    env: {
      ...process.env,
      SUPABASE_URL: url,
      SUPABASE_SECRET_KEY: secretKey,
      NIGHTSHIFT_DATABASE_URL: db.url,
    },
    stdio: 'ignore',
  });
}

/** Each table of the report with what became of it, such as 'vacuumed: dead_rows'. */
export function outcomes({ report }: { report: VacuumReport }): Record<string, string> {
  return Object.fromEntries(
    report.steps.map(({ table, status, reason }) => [table, `${status}: ${reason}`]),
  );
}

/** A table of which so many rows are dead; autovacuum leaves it alone. */
export async function createTable(
  sql: Sql,
  name: string,
  { rows = 4_000, dead = 2_000 }: { rows?: number; dead?: number } = {},
): Promise<void> {
  await sql.unsafe(`
    create table ${name} (id integer primary key, note text) with (autovacuum_enabled = false);
    insert into ${name} select g, 'x' from generate_series(1, ${rows}) g;
    select pg_stat_force_next_flush();`);
  await sql.unsafe(`analyze ${name}`);
  await sql.unsafe(`
    delete from ${name} where id > ${rows - dead};
    select pg_stat_force_next_flush();`);
}

/** A table whose vacuum takes half a minute, since it rests after each page: what is tried meanwhile meets it under way. */
export async function createSlowTable(db: TestDatabase, name: string): Promise<void> {
  await db.sql.unsafe(`
    create table ${name} (id integer primary key, note text) with (autovacuum_enabled = false, fillfactor = 10);
    insert into ${name} select g, repeat('x', 700) from generate_series(1, 4000) g;
    delete from ${name} where id <= 2000;
    select pg_stat_force_next_flush();
    do $$ begin execute format('alter database %I set vacuum_cost_limit = 1', current_database()); end $$;`);
}

export async function restoreSpeed(sql: Sql): Promise<void> {
  await sql.unsafe(
    `do $$ begin execute format('alter database %I reset vacuum_cost_limit', current_database()); end $$;`,
  );
}

/** Whether a vacuum of Nightshift is under way. */
export async function isVacuuming(sql: Sql): Promise<boolean> {
  const rows = await sql`
    select from pg_stat_progress_vacuum v join pg_stat_activity a using (pid)
    where a.datname = current_database() and a.application_name = 'nightshift'`;
  return rows.length > 0;
}
