import { deepEqual } from 'node:assert/strict';
import type { Sql } from 'postgres';
import { systemClock } from '../../functions/_shared/clock.ts';
import { connectDirect } from '../../functions/_shared/direct.ts';
import { NightshiftError } from '../../functions/_shared/errors.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import type { Rpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import type { PartitionReport } from '../../functions/partition-maintenance/schema.ts';
import { type JobName, loadJob } from '../../functions/registry.ts';
import type { PurgeReport } from '../../functions/retention-purge/schema.ts';
import type { VacuumReport } from '../../functions/table-vacuum/schema.ts';
import type { RefreshReport } from '../../functions/view-refresh/schema.ts';
import { noDeadline } from '../connect.ts';
import { lookAtHealth } from '../present/health-check.ts';
import { type Application, allOrders, dueOrders, premake } from './application.ts';

/** What is tried, in this order. Each says what it did, and throws when that is not what should have come of it. */
export function trials(
  sql: Sql,
  rpc: Rpc,
  databaseUrl: string,
  { orders, ordersByDay, events }: Application,
): Record<string, () => Promise<string>> {
  async function run<Report>(job: JobName, input: object): Promise<Report> {
    const { outcome, run, error } = await runJob(
      await loadJob(job),
      { trigger: 'cli', requestedBy: 'smoke', input },
      {
        rpc,
        direct: connectDirect(databaseUrl, noDeadline),
        clock: systemClock,
        deadline: noDeadline,
        log: silentLog,
        metrics: noMetrics,
      },
    );
    if (error) throw error;
    if (outcome === 'skipped') {
      throw new NightshiftError('NS409', `${job} was not run: another run of it is in progress`, {
        hint: 'Try again when npm run nightshift -- status shows that it has ended.',
      });
    }
    deepEqual(run.status, 'succeeded');
    return run.report as Report;
  }
  const rowsOf = async (relation: string) =>
    (await sql.unsafe(`select * from ${relation} order by 1`)).map((row) => ({ ...row }));

  return {
    'a dry run of the purge': async () => {
      const report = await run<PurgeReport>('retention-purge', { dryRun: true, only: [orders] });
      deepEqual([report.rowsPurged, (await rowsOf(orders)).length], [dueOrders, allOrders]);
      return `would delete ${dueOrders} of ${allOrders} rows, and deleted none`;
    },
    'the purge': async () => {
      await run('retention-purge', { only: [orders] });
      const kept = Array.from({ length: allOrders - dueOrders }, (_, n) => dueOrders + 1 + n);
      deepEqual(
        (await rowsOf(orders)).map(({ id }) => id),
        kept,
      );
      return `deleted the ${dueOrders} rows that were due, and no other`;
    },
    'the refresh': async () => {
      const report = await run<RefreshReport>('view-refresh', { only: [ordersByDay] });
      deepEqual(report.viewsRefreshed, 1);
      deepEqual(
        (await rowsOf(ordersByDay)).map((row) => Number(row.orders)),
        [allOrders - dueOrders],
      );
      return 'refreshed the view, which has what its query returns';
    },
    'the vacuum': async () => {
      const report = await run<VacuumReport>('table-vacuum', { only: [orders] });
      deepEqual(report.tablesVacuumed, 1);
      return 'vacuumed the table that was purged, over the direct connection';
    },
    'the partitions': async () => {
      const report = await run<PartitionReport>('partition-maintenance', { only: [events] });
      deepEqual(report.partitionsCreated, premake + 1);
      await sql.unsafe(
        `insert into ${events} select now() + n * interval '1 day' from generate_series(0, ${premake}) n`,
      );
      return `made ${premake + 1}, and rows of today and ${premake} days more found their place`;
    },
    'the health check': async () => {
      const { checks } = await lookAtHealth(rpc, ['connections']);
      deepEqual(
        checks.map(({ name }) => name),
        ['connections'],
      );
      return `answers: connections are ${checks[0]?.level}`;
    },
  };
}
