import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Sql } from 'postgres';
import { systemClock } from '../../functions/_shared/clock.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc, type Rpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import type { RunDependencies, RunResult } from '../../functions/_shared/run-types.ts';
import { job } from '../../functions/retention-purge/job.ts';
import type { PurgeReport, PurgeStep } from '../../functions/retention-purge/schema.ts';
import type { Gateway } from '../../infra/local/gateway.ts';
import type { TestDatabase } from './database.ts';
import { endless } from './deadline.ts';
import { until } from './waiting.ts';

const budgetMs = 20_000;
const commandLine = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

interface PurgeOptions extends Partial<RunDependencies> {
  gateway?: Pick<Gateway, 'url' | 'secretKey'>;
  idempotencyKey?: string;
  resume?: { runId: string; attempt: number };
  /** The rows of every batch, whatever the run would adapt them to: how many batches there are is then not up to the machine. */
  batchRows?: number;
  /** Awaited before each batch is asked for, counted from 1: the moment between two batches. */
  beforeBatch?: (nth: number, relation: string) => unknown;
}

/** Runs the purge as the functions do: the job under the ledger, through supabase-js and the Data API. */
export async function runPurge(
  db: TestDatabase,
  input: unknown = {},
  { gateway, idempotencyKey, resume, batchRows, beforeBatch, ...overrides }: PurgeOptions = {},
): Promise<RunResult & { report: PurgeReport }> {
  const deadline = overrides.deadline ?? endless(budgetMs);
  const rpc = createRpc(gateway ?? (await db.gateway()), deadline);
  const result = await runJob(
    job,
    {
      trigger: 'cli',
      input,
      ...(idempotencyKey ? { idempotencyKey } : {}),
      ...(resume ? { resume } : {}),
    },
    {
      rpc: interleaved(rpc, batchRows, beforeBatch),
      clock: systemClock,
      deadline,
      log: silentLog,
      metrics: noMetrics,
      ...overrides,
    },
  );
  return { ...result, report: result.run.report as PurgeReport };
}

function interleaved(
  rpc: Rpc,
  batchRows: number | undefined,
  beforeBatch: PurgeOptions['beforeBatch'],
): Rpc {
  let batches = 0;
  return {
    async call(name, args, answer, options) {
      if (!('batch_rows' in args && 'relation' in args))
        return rpc.call(name, args, answer, options);
      await beforeBatch?.(++batches, args.relation);
      return rpc.call(name, { ...args, batch_rows: batchRows ?? args.batch_rows }, answer, options);
    },
  };
}

/** Runs the purge from the command line, in a process of its own. Who watches it is no reason for it to pause. */
export async function startPurge(db: TestDatabase): Promise<ChildProcess> {
  const { url, secretKey } = await db.gateway();
  return spawn(process.execPath, [commandLine, 'run', 'retention-purge', '--pace', 'full'], {
    env: { ...process.env, SUPABASE_URL: url, SUPABASE_SECRET_KEY: secretKey, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Ends what the server does for the Data API, wherever it is. */
export async function endApiSessions(sql: Sql): Promise<void> {
  await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and usename = 'authenticator'`;
}

/** What the report says of one table. */
export function stepOf({ report }: { report: PurgeReport }, relation: string): PurgeStep {
  const step = report.steps.find((candidate) => candidate.relation === relation);
  if (!step) throw new Error(`The report has no step for ${relation}`);
  return step;
}

/** Writes each row deleted from a table into app.deleted. */
export async function auditDeletes(sql: Sql, relation: string): Promise<void> {
  await sql.unsafe(`
    create table if not exists app.deleted (relation text not null, id bigint not null);
    create or replace function app.audit_delete() returns trigger language plpgsql set search_path = '' as $$
    begin
      insert into app.deleted values (tg_table_name, old.id);
      return null;
    end $$;
    create trigger audit_delete after delete on ${relation}
    for each row execute function app.audit_delete();
  `);
}

/** Stops a purge in the middle of a batch, when it deletes or changes a row, until the gate is opened. */
export async function closeGate(
  db: TestDatabase,
  relation: string,
  id: number,
): Promise<{ reached(): Promise<void>; open(): Promise<void> }> {
  await db.sql.unsafe(`
    create or replace function app.wait_at_gate() returns trigger language plpgsql set lock_timeout = 0 as $$
    begin
      perform pg_catalog.pg_advisory_xact_lock_shared(4343);
      return case tg_op when 'DELETE' then old else new end;
    end $$;
    create or replace trigger gate before delete or update on ${relation} for each row when (old.id = ${id})
    execute function app.wait_at_gate();
  `);
  const keeper = db.connect();
  await keeper`select pg_advisory_lock(4343)`;
  return {
    reached: () =>
      until('the purge is at the gate', async () => {
        const waiting = await db.sql`
          select from pg_locks where locktype = 'advisory' and not granted and objid = 4343
            and database = (select oid from pg_database where datname = current_database())`;
        return waiting.length > 0;
      }),
    open: async () => {
      await keeper`select pg_advisory_unlock(4343)`;
    },
  };
}

/** The ids that were deleted from audited tables, in order; one that went twice is there twice. */
export async function deletedIds(sql: Sql): Promise<number[]> {
  const rows = await sql<{ id: string }[]>`select id from app.deleted order by id`;
  return rows.map(({ id }) => Number(id));
}

/** Whether the Data API has a batch under way in this database. */
export async function batchUnderWay(sql: Sql): Promise<boolean> {
  const rows = await sql`
    select from pg_stat_activity
    where datname = current_database() and state = 'active' and pid <> pg_backend_pid()
      and query like '%purge_batch%'`;
  return rows.length > 0;
}
