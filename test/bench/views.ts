import postgres from 'postgres';
import { systemClock } from '../../functions/_shared/clock.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc, type Rpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { job } from '../../functions/view-refresh/job.ts';
import type { RefreshReport } from '../../functions/view-refresh/schema.ts';
import { exampleSeeds } from '../../infra/local/examples.ts';
import { startStack } from '../../infra/local/stack.ts';
import { percentile, round, timed } from './measure.ts';

const users = 27_400;
const packages = 200_000;
const metricRows = 10_000_000;
/** Odd, so that a median is one of the values. */
const rounds = 3;
const quietNights = 10;
const lookups = 500;
/** A plain query takes up to some seconds. */
const plainQueries = 20;

const views = {
  coachStats: 'mv_coach_performance_stats',
  leaderboard: 'mv_coach_leaderboard',
  healthSummary: 'mv_user_health_metrics_summary',
  packageStats: 'mv_package_performance_stats',
  targetAchievement: 'mv_user_target_achievement',
};
type ViewKey = keyof typeof views;
const viewKeys = Object.keys(views) as ViewKey[];
/** What can only go one after the other; the leaderboard reads the statistics of the coaches. */
const chains: ViewKey[][] = [
  ['coachStats', 'leaderboard'],
  ['healthSummary'],
  ['packageStats'],
  ['targetAchievement'],
];
/** What a dashboard asks each view of the guide for, and whose page it is. */
const dashboards = [
  { key: 'coachStats', column: 'coach_id', roles: ['coach'] },
  { key: 'healthSummary', column: 'user_id', roles: ['coach', 'member'] },
  { key: 'packageStats', column: 'coach_id', roles: ['coach'] },
  { key: 'targetAchievement', column: 'user_id', roles: ['coach', 'member'] },
] as const;
type Dashboard = (typeof dashboards)[number];

export interface ViewFigures {
  users: number;
  metricRows: number;
  byHandPlainMs: number;
  byHandConcurrentlyMs: number;
  byHandInTwoSessionsMs: number;
  slowestChainByHandMs: number;
  oursSequentialMs: number;
  oursParallelMs: number;
  oursSequentialToByHand: number;
  oursParallelToSlowestChain: number;
  oursParallelToTwoSessions: number;
  parallelSpeedup: number;
  noChangeNightMs: number;
  noChangeNightMaxMs: number;
  /** Of each view: what it took by hand and, of those of the guide, what a dashboard waits for. */
  [ofView: `${ViewKey}${string}`]: number | string;
}

/** Every way refreshes the same views of the same rows in the same run; the first round only warms. */
export async function benchViews(say: (text: string) => void): Promise<ViewFigures> {
  const stack = await startStack({ seeds: exampleSeeds });
  const connect = () => postgres(stack.databaseUrl, { max: 1, onnotice() {} });
  let sql = connect();
  try {
    say(`loading ${metricRows.toLocaleString('en')} metrics`);
    await load(sql);
    const noDeadline = { remainingMs: () => Number.POSITIVE_INFINITY };
    const rpc = createRpc({ url: stack.gatewayUrl, secretKey: stack.secretKey }, noDeadline);

    const ways = {
      plain: () => byHand(sql, ''),
      concurrently: () => byHand(sql, 'concurrently'),
      twoSessions: () => byHandInTwo([connect(), connect()]),
      sequential: () => ours(rpc, 1),
      parallel: () => ours(rpc, 2),
    };
    const measured = await inTurns(ways, say);

    say(`${quietNights} nights in which nothing changed`);
    // A session's last writes reach the counters when it ends.
    await sql.end();
    sql = connect();
    const nightMs = await nightsWithoutChange(rpc);

    const { plain, concurrently, twoSessions, sequential, parallel } = measured;
    const plainMs = medianOf(plain, total);
    const concurrentlyMs = medianOf(concurrently, total);
    const slowestChainMs = medianOf(concurrently, slowestChain);
    const sequentialMs = medianOf(sequential, total);
    const parallelMs = medianOf(parallel, total);
    const twoSessionsMs = medianOf(twoSessions, total);
    return {
      users,
      metricRows,
      byHandPlainMs: round(plainMs),
      byHandConcurrentlyMs: round(concurrentlyMs),
      byHandInTwoSessionsMs: round(twoSessionsMs),
      slowestChainByHandMs: round(slowestChainMs),
      oursSequentialMs: round(sequentialMs),
      oursParallelMs: round(parallelMs),
      oursSequentialToByHand: round(sequentialMs / concurrentlyMs),
      oursParallelToSlowestChain: round(parallelMs / slowestChainMs),
      oursParallelToTwoSessions: round(parallelMs / twoSessionsMs),
      parallelSpeedup: round(sequentialMs / parallelMs),
      noChangeNightMs: round(percentile(nightMs, 0.5)),
      noChangeNightMaxMs: round(percentile(nightMs, 1)),
      ...refreshFigures(measured),
      ...(await dashboardFigures(sql, say)),
    };
  } finally {
    await sql.end();
    await stack.stop();
  }
}

async function load(sql: postgres.Sql): Promise<void> {
  await sql`select nightshift_example.fill_coaching(${users}, ${packages}, ${metricRows})`;
  for (const view of Object.values(views)) await sql`refresh materialized view ${sql(view)}`;
  await sql`vacuum analyze`;
  await sql`select nightshift.adopt_refresh_policies('public')`;
}

interface Refreshes {
  totalMs: number;
  viewMs: Record<ViewKey, number>;
}

async function byHand(sql: postgres.Sql, mode: '' | 'concurrently'): Promise<Refreshes> {
  const viewMs: [ViewKey, number][] = [];
  const totalMs = await timed(async () => {
    for (const key of viewKeys) {
      const statement = `refresh materialized view ${mode} public.${views[key]}`;
      viewMs.push([key, await timed(() => sql.unsafe(statement))]);
    }
  });
  return { totalMs, viewMs: Object.fromEntries(viewMs) as Record<ViewKey, number> };
}

/** As someone in a hurry would: the longest first, in two terminals. */
async function byHandInTwo(sessions: postgres.Sql[]): Promise<Refreshes> {
  const left: ViewKey[] = [
    'targetAchievement',
    'healthSummary',
    'packageStats',
    'coachStats',
    'leaderboard',
  ];
  const viewMs: [ViewKey, number][] = [];
  const work = async (sql: postgres.Sql) => {
    for (let key = left.shift(); key; key = left.shift()) {
      const statement = `refresh materialized view concurrently public.${views[key]}`;
      viewMs.push([key, await timed(() => sql.unsafe(statement))]);
    }
    await sql.end();
  };
  const totalMs = await timed(() => Promise.all(sessions.map(work)));
  return { totalMs, viewMs: Object.fromEntries(viewMs) as Record<ViewKey, number> };
}

async function ours(rpc: Rpc, parallelism: number): Promise<Refreshes> {
  const { elapsedMs, report } = await runRefresh(rpc, { force: true, parallelism });
  if (report.viewsRefreshed !== viewKeys.length) {
    throw new Error(`Of ${viewKeys.length} views, ${report.viewsRefreshed} were refreshed.`);
  }
  const msOf = (key: ViewKey) =>
    report.steps.find(({ view }) => view === `public.${views[key]}`)?.durationMs ?? Number.NaN;
  const viewMs = Object.fromEntries(viewKeys.map((key) => [key, msOf(key)]));
  return { totalMs: elapsedMs, viewMs: viewMs as Record<ViewKey, number> };
}

async function runRefresh(rpc: Rpc, input: { force?: boolean; parallelism?: number }) {
  const dependencies = {
    rpc,
    clock: systemClock,
    deadline: { remainingMs: () => Number.POSITIVE_INFINITY },
    log: silentLog,
    metrics: noMetrics,
  };
  const startedMs = performance.now();
  const { run } = await runJob(job, { trigger: 'cli', requestedBy: 'bench', input }, dependencies);
  const elapsedMs = performance.now() - startedMs;
  if (run.status !== 'succeeded') throw new Error(`The refresh ended ${run.status}.`);
  return { elapsedMs, report: run.report as RefreshReport };
}

/** One after the other, and every second round the other way round: none always follows the same one. */
async function inTurns<Way extends string>(
  ways: Record<Way, () => Promise<Refreshes>>,
  say: (text: string) => void,
): Promise<Record<Way, Refreshes[]>> {
  const order = Object.keys(ways) as Way[];
  const measured = Object.fromEntries(order.map((way) => [way, []])) as unknown as Record<
    Way,
    Refreshes[]
  >;
  for (let n = 0; n <= rounds; n++) {
    for (const way of n % 2 ? order : order.toReversed()) {
      const refreshes = await ways[way]();
      say(`round ${n} of ${rounds}, ${way}: ${Math.round(refreshes.totalMs)} ms`);
      if (n > 0) measured[way].push(refreshes);
    }
  }
  return measured;
}

/** After a refresh that counts what the rounds have written. */
async function nightsWithoutChange(rpc: Rpc): Promise<number[]> {
  await runRefresh(rpc, { force: true });
  const nightMs: number[] = [];
  while (nightMs.length < quietNights) {
    const { elapsedMs, report } = await runRefresh(rpc, {});
    if (report.viewsUnchanged !== viewKeys.length) {
      const reasons = report.steps.map(
        ({ view, reason, detail }) => `${view}: ${reason}, ${detail}`,
      );
      throw new Error(`A night was to find nothing changed, but found ${reasons.join('; ')}.`);
    }
    nightMs.push(elapsedMs);
  }
  return nightMs;
}

const total = ({ totalMs }: Refreshes): number => totalMs;

function slowestChain({ viewMs }: Refreshes): number {
  return Math.max(...chains.map((chain) => chain.reduce((sum, key) => sum + viewMs[key], 0)));
}

function medianOf(all: readonly Refreshes[], figure: (refreshes: Refreshes) => number): number {
  return percentile(all.map(figure), 0.5);
}

function refreshFigures(
  measured: Record<'plain' | 'concurrently' | 'sequential' | 'parallel', Refreshes[]>,
): Record<`${ViewKey}${string}`, number> {
  const figures: Record<`${ViewKey}${string}`, number> = {} as never;
  for (const key of viewKeys) {
    const median = (all: readonly Refreshes[]) => round(medianOf(all, ({ viewMs }) => viewMs[key]));
    figures[`${key}ByHandPlainMs`] = median(measured.plain);
    figures[`${key}ByHandConcurrentlyMs`] = median(measured.concurrently);
    figures[`${key}OursSequentialMs`] = median(measured.sequential);
    figures[`${key}OursParallelMs`] = median(measured.parallel);
  }
  return figures;
}

async function dashboardFigures(
  sql: postgres.Sql,
  say: (text: string) => void,
): Promise<Record<`${ViewKey}${string}`, number | string>> {
  const figures: Record<`${ViewKey}${string}`, number | string> = {} as never;
  await sql`select setseed(0.42)`;
  for (const dashboard of dashboards) {
    const { key, column } = dashboard;
    const view = views[key];
    say(`${lookups} lookups in ${view}, ${plainQueries} of its query`);
    const asked = await drawKeys(sql, dashboard);
    const query = await queryOf(sql, view);
    const lookUp = `select * from public.${view} where ${column} = $1`;
    const viewMs = await eachTimed(sql, lookUp, asked);
    const plainMs = await eachTimed(
      sql,
      `select * from (${query}) v where v.${column} = $1`,
      asked.slice(0, plainQueries),
    );
    const p50Ms = percentile(viewMs, 0.5);
    const plainP50Ms = percentile(plainMs, 0.5);
    figures[`${key}LookupBy`] = `${column}, ${await planOf(sql, lookUp, asked)}`;
    figures[`${key}ViewP50Ms`] = round(p50Ms);
    figures[`${key}ViewP99Ms`] = round(percentile(viewMs, 0.99));
    figures[`${key}PlainQueryP50Ms`] = round(plainP50Ms);
    figures[`${key}TimesFaster`] = round(plainP50Ms / p50Ms);
  }
  return figures;
}

async function drawKeys(sql: postgres.Sql, { roles }: Dashboard): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from public.users where role in ${sql(roles)} order by random() limit ${lookups}`;
  return rows.map(({ id }) => id);
}

async function queryOf(sql: postgres.Sql, view: string): Promise<string> {
  const [row] = await sql<{ query: string }[]>`
    select rtrim(pg_get_viewdef(${`public.${view}`}::regclass), ';') as query`;
  return row?.query ?? '';
}

/** Without the first, which opens and prepares. */
async function eachTimed(sql: postgres.Sql, query: string, keys: string[]): Promise<number[]> {
  const ask = (key: string) => timed(() => sql.unsafe(query, [key], { prepare: true }));
  const ms: number[] = [];
  await ask(keys[0] ?? '');
  for (const key of keys) ms.push(await ask(key));
  return ms;
}

async function planOf(sql: postgres.Sql, query: string, [key = '']: string[]): Promise<string> {
  const rows = await sql.unsafe(`explain (costs off) ${query}`, [key]);
  return rows[0]?.['QUERY PLAN'].replace(/ (using|on) .*/, '').toLowerCase();
}
