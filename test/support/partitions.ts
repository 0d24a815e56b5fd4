import type { Sql } from 'postgres';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc, type Rpc } from '../../functions/_shared/rpc.ts';
import { type RunDependencies, type RunResult, runJob } from '../../functions/_shared/run.ts';
import { job } from '../../functions/partition-maintenance/job.ts';
import type {
  PartitionReport,
  PartitionStep,
} from '../../functions/partition-maintenance/schema.ts';
import type { TestDatabase } from './database.ts';

const BUDGET_MS = 60_000;

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
  const deadline = overrides.deadline ?? deadlineIn(systemClock, BUDGET_MS);
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
