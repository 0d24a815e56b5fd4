import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import postgres, { type Sql } from 'postgres';
import { migrate } from '../../cli/installation/migrate.ts';
import { systemClock } from '../../functions/_shared/clock.ts';
import type { Invocation } from '../../functions/_shared/invocation.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc, type Rpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import type { RunDependencies, RunResult } from '../../functions/_shared/run-types.ts';
import { job } from '../../functions/view-refresh/job.ts';
import type { RefreshReport, RefreshStep } from '../../functions/view-refresh/schema.ts';
import { startGateway } from '../../infra/local/gateway.ts';
import { bootstrap } from '../../infra/local/postgres.ts';
import { startAfresh, startOwnServer, type TestDatabase } from './database.ts';
import { endless } from './deadline.ts';
import { checksum } from './rows.ts';

const budgetMs = 25_000;

interface RefreshOptions extends Partial<RunDependencies> {
  trigger?: Invocation['trigger'];
  resume?: { runId: string; attempt: number };
  /** Awaited before each refresh is asked for over the API, counted from 1. */
  beforeRefresh?: (nth: number, view: string) => unknown;
}

/** Refreshes views as the functions do: the job under the ledger, through supabase-js and the Data API. */
export async function runRefresh(
  db: TestDatabase,
  input: unknown = {},
  { trigger = 'cli', resume, beforeRefresh, ...overrides }: RefreshOptions = {},
): Promise<RunResult & { report: RefreshReport }> {
  const deadline = overrides.deadline ?? endless(budgetMs);
  const rpc = createRpc(await db.gateway(), deadline);
  const result = await runJob(
    job,
    { trigger, input, ...(resume ? { resume } : {}) },
    {
      rpc: interleaved(rpc, beforeRefresh),
      clock: systemClock,
      deadline,
      log: silentLog,
      metrics: noMetrics,
      ...overrides,
    },
  );
  return { ...result, report: result.run.report as RefreshReport };
}

function interleaved(rpc: Rpc, beforeRefresh: RefreshOptions['beforeRefresh']): Rpc {
  let refreshes = 0;
  return {
    async call(name, args, answer, options) {
      if (name === 'refresh_view' && 'view' in args) {
        await beforeRefresh?.(++refreshes, String(args.view));
      }
      return rpc.call(name, args, answer, options);
    },
  };
}

/** What the report says of one view. */
export function stepOf({ report }: { report: RefreshReport }, view: string): RefreshStep {
  const step = report.steps.find((candidate) => candidate.view === view);
  if (!step) throw new Error(`The report has no step for ${view}`);
  return step;
}

/** Each view of the report with what became of it, such as 'refreshed: changed'. */
export function outcomes({ report }: { report: RefreshReport }): Record<string, string> {
  return Object.fromEntries(
    report.steps.map(({ view, status, reason }) => [view, `${status}: ${reason}`]),
  );
}

/** Runs statements in one transaction, and has what they wrote in the counters when it returns. */
export async function write(sql: Sql, statements: string): Promise<void> {
  await sql.unsafe(`${statements}; select pg_stat_force_next_flush();`);
}

/** The statements that create a view with a unique index on a column and a policy. */
export function viewOf(name: string, query: string, key = 'id', policy = ''): string {
  return `
    create materialized view ${name} as ${query};
    create unique index on ${name} (${key});
    select nightshift.add_refresh_policy('${name}'${policy});
  `;
}

/** As if the last refreshes had been so much longer ago. */
export async function letPass(sql: Sql, interval = '1 minute'): Promise<void> {
  await sql`
    update nightshift.refresh_policies
    set last_refreshed_at = last_refreshed_at - ${interval}::interval, data_as_of = data_as_of - ${interval}::interval`;
}

/** Whether a view holds what its query returns. */
export async function isCurrent(sql: Sql, view: string): Promise<boolean> {
  const [row] = await sql<{ query: string }[]>`
    select rtrim(pg_get_viewdef(${view}::text::regclass), '; ') as query`;
  return (await checksum(sql, view)) === (await checksum(sql, `(${row?.query})`));
}

/** A function app.pass() for the queries of views: it waits, however long, while the gate is closed. */
export const gate = `
  create function app.pass() returns integer language plpgsql volatile set lock_timeout = 0 as $$
  begin
    perform pg_catalog.pg_advisory_xact_lock_shared(1);
    return 0;
  end $$;
`;

/** Keeps every refresh from passing until what it returns is called. */
export async function closeGate(db: TestDatabase): Promise<() => Promise<void>> {
  const keeper = db.connect();
  await keeper`begin`;
  await keeper`select pg_advisory_xact_lock(1)`;
  return async () => {
    await keeper`commit`;
  };
}

/** Whether a refresh, over the Data API or the direct connection, has come as far as the gate. */
export async function refreshAtGate(sql: Sql, application = ''): Promise<boolean> {
  const rows = await sql`
    select from pg_stat_activity a
    join pg_locks l using (pid)
    where a.datname = current_database() and l.locktype = 'advisory' and not l.granted
      and (${application} = '' or a.application_name = ${application})`;
  return rows.length > 0;
}

export const seen = 'app.seen';
export const other = 'app.other';

/** Two views that are refreshed and then changed; the query of seen goes through the gate. */
export async function createTwoViews(db: TestDatabase, policy = ''): Promise<void> {
  await startAfresh(db.sql);
  await write(
    db.sql,
    `create table app.items (id integer); insert into app.items values (1);
    create table app.others (id integer); ${gate}
    ${viewOf(seen, 'select id, app.pass() from app.items', 'id', policy)}
    ${viewOf(other, 'select id from app.others')}`,
  );
  await runRefresh(db);
  await letPass(db.sql);
  await write(db.sql, 'insert into app.items values (2); insert into app.others values (2)');
}

export const refreshesOf = (sql: Sql, view: string) => sql`
  select status, mode, error from nightshift.view_refreshes where view_name = ${view} order by id`;

/** As if a refresh of seen had taken so long. */
export const recordUsual = (sql: Sql, ms: number, view = seen) => sql`
  insert into nightshift.view_refreshes (view, view_name, status, mode, reason, detail, started_at, duration_ms)
  values (${view}::text::regclass, ${view}, 'refreshed', 'concurrently', 'changed', 'changed', now(), ${ms})`;

/** Runs the job in a process of its own, as the command line does. */
export async function spawnRun(db: TestDatabase, databaseUrl?: string): Promise<ChildProcess> {
  const { url, secretKey } = await db.gateway();
  const { NIGHTSHIFT_DATABASE_URL: _, ...env } = process.env;
  const commandLine = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
  return spawn(process.execPath, [commandLine, 'run', 'view-refresh'], {
    env: {
      ...env,
      ...(databaseUrl ? { NIGHTSHIFT_DATABASE_URL: databaseUrl } : {}),
      SUPABASE_URL: url,
      SUPABASE_SECRET_KEY: secretKey,
      NO_COLOR: '1',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

/** A migrated database on a server that no other test shares. */
export async function createOwnDatabase(settings: Record<string, string>): Promise<TestDatabase> {
  const server = await startOwnServer(settings);
  const url = server.adminUrl();
  await bootstrap(url);
  await migrate(url);
  const gateway = await startGateway({ databaseUrl: url, schemas: ['nightshift'] });
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  return {
    url,
    sql,
    gateway: async () => gateway,
    connect: () => sql,
    drop: async () => {
      await gateway.close();
      await sql.end();
      await server.stop();
    },
  };
}
