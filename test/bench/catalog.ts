import postgres from 'postgres';
import * as z from 'zod';
import { systemClock } from '../../functions/_shared/clock.ts';
import type { ErrorDocument } from '../../functions/_shared/errors.ts';
import type { Job } from '../../functions/_shared/job.ts';
import { leaseOf, startAnswer } from '../../functions/_shared/ledger.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc, type Rpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { healthDocument } from '../../functions/health-check/schema.ts';
import { job as partitionMaintenance } from '../../functions/partition-maintenance/job.ts';
import { job as purge } from '../../functions/retention-purge/job.ts';
import type { PurgeReport } from '../../functions/retention-purge/schema.ts';
import { job as viewRefresh } from '../../functions/view-refresh/job.ts';
import { type Stack, startStack } from '../../infra/local/stack.ts';
import {
  type Catalog,
  createCatalog,
  half,
  markDueEverywhere,
  markDueInLog,
  partitionsOf,
  whole,
} from './catalog-schema.ts';
import { percentile, round, timed } from './measure.ts';

/** Odd, so that a median is one of the values. */
const rounds = 5;
const slowest = 5;
const noDeadline = { remainingMs: () => Number.POSITIVE_INFINITY };

type Figures = Record<string, number | string>;

/**
 * What a large catalog costs: every look over the Data API, and purges with little to do in many partitions. All of it is
 * done with half of the catalog first: what is linear takes half of the time there.
 */
export async function benchCatalog(say: (text: string) => void): Promise<Figures> {
  const ofHalf = await benchOne(half, say);
  const figures = await benchOne(whole, say);
  const both = Object.entries(figures).map(([name, value]) => {
    const before = ofHalf[name];
    const isMeasured = typeof value === 'number' && typeof before === 'number';
    return isMeasured ? { [`${name}OfHalf`]: before, [name]: value } : { [name]: value };
  });
  return Object.assign({}, ...both);
}

async function benchOne(catalog: Catalog, say: (text: string) => void): Promise<Figures> {
  say(`creating ${catalog.plainTables} tables and ${partitionsOf(catalog)} partitions`);
  const stack = await startStack({ setUp: (url) => createCatalog(catalog, url) });
  try {
    return await measureCatalog(catalog, stack, say);
  } finally {
    await stack.stop();
  }
}

async function measureCatalog(
  catalog: Catalog,
  stack: Stack,
  say: (text: string) => void,
): Promise<Figures> {
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice() {} });
  try {
    const rpc = createRpc({ url: stack.gatewayUrl, secretKey: stack.secretKey }, noDeadline);
    const { plainTables, policies } = catalog;
    const figures: Figures = { plainTables, partitions: partitionsOf(catalog), policies };
    Object.assign(figures, await plans(rpc, say));
    Object.assign(figures, await healthChecks(rpc, say));

    say('a night on which nothing is due, twice');
    await night(rpc, 'warmingNight', 0);
    Object.assign(figures, await night(rpc, 'noOpNight', 0));
    say('two due rows in each partition of one table');
    const rowsOfLog = await markDueInLog(catalog, sql, 2);
    Object.assign(figures, await night(rpc, 'oneLogNight', rowsOfLog));
    say('a due row in every partition whose rows are deleted, of all tables');
    const dueRows = await markDueEverywhere(catalog, sql);
    Object.assign(figures, await night(rpc, 'everyPartitionNight', dueRows));
    return figures;
  } finally {
    await sql.end();
  }
}

async function plans(rpc: Rpc, say: (text: string) => void): Promise<Figures> {
  const plan =
    (
      job: Pick<Job<never, unknown>, 'name'>,
      name: 'plan_retention_purge' | 'plan_view_refresh' | 'plan_partition_maintenance',
    ) =>
    async () => {
      const begun = { job: job.name, trigger: 'cli', dry_run: true };
      const { run } = await rpc.call('begin_run', begun, startAnswer);
      try {
        return await timed(() => rpc.call(name, leaseOf(run), z.unknown(), { timeoutMs: 120_000 }));
      } finally {
        await rpc.call('finish_run', { ...leaseOf(run), status: 'succeeded' }, z.unknown());
      }
    };
  const looks = {
    planPurge: plan(purge, 'plan_retention_purge'),
    preview: () => timed(() => rpc.call('preview_retention_purge', {}, z.unknown())),
    planViewRefresh: plan(viewRefresh, 'plan_view_refresh'),
    planPartitions: plan(partitionMaintenance, 'plan_partition_maintenance'),
  };
  const figures: Figures = {};
  for (const [name, look] of Object.entries(looks)) {
    say(`${name}, ${rounds} rounds`);
    figures[`${name}Ms`] = await median(look);
  }
  return figures;
}

async function median(look: () => Promise<number>): Promise<number | string> {
  const ms: number[] = [];
  try {
    // The first only warms.
    for (let n = 0; n <= rounds; n++) {
      const elapsedMs = await look();
      if (n > 0) ms.push(elapsedMs);
    }
  } catch (error) {
    return `failed: ${(error as Error).message}`;
  }
  return round(percentile(ms, 0.5));
}

async function healthChecks(rpc: Rpc, say: (text: string) => void): Promise<Figures> {
  say(`all health checks, ${rounds} rounds`);
  let checks: z.output<typeof healthDocument>['checks'] = [];
  const ms = await median(() =>
    timed(async () => {
      ({ checks } = await rpc.call('get_health', { quick: false }, healthDocument));
    }),
  );
  const unknown = checks.filter(({ level }) => level === 'unknown').map(({ name }) => name);
  return {
    allChecksMs: ms,
    checksThatCouldNotRun: unknown.join(', ') || 'none',
    slowestChecks: checks
      .toSorted((a, b) => b.durationMs - a.durationMs)
      .slice(0, slowest)
      .map(({ name, durationMs }) => `${name} ${durationMs} ms`)
      .join('\n'),
  };
}

async function night(rpc: Rpc, name: string, expectedRows: number): Promise<Figures> {
  let status = '';
  let report: PurgeReport | undefined;
  let calls = 0;
  const counted: Rpc = {
    call: (...call) => {
      calls++;
      return rpc.call(...call);
    },
  };
  const ms = await timed(async () => {
    const { run } = await runJob(
      purge,
      { trigger: 'cli', requestedBy: 'bench', input: {} },
      {
        rpc: counted,
        clock: systemClock,
        deadline: noDeadline,
        log: silentLog,
        metrics: noMetrics,
      },
    );
    status = run.status;
    report = run.report as PurgeReport | undefined;
    if (run.status === 'failed') status += `: ${(run.error as ErrorDocument).message}`;
  });
  const purged = report?.rowsPurged ?? 0;
  return {
    [`${name}Ms`]: round(ms),
    [`${name}Status`]:
      purged === expectedRows ? status : `${status}, ${purged} of ${expectedRows} rows`,
    [`${name}Calls`]: calls,
    [`${name}Batches`]: report?.steps.reduce((sum, { batches }) => sum + batches, 0) ?? 0,
  };
}
