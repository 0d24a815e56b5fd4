import { createClient } from '@supabase/supabase-js';
import { lookAtHealth, showHealth } from '../../cli/present/health-check.ts';
import { printOnlyText } from '../../cli/printable.ts';
import { progressBars } from '../../cli/progress-bars.ts';
import { age, heading, note } from '../../cli/ui.ts';
import { restoreOperation, softDeleteWhere } from '../../client/index.ts';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { connectDirect } from '../../functions/_shared/direct.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import type { PartitionReport } from '../../functions/partition-maintenance/schema.ts';
import { type JobName, loadJob, loadPresenter } from '../../functions/registry.ts';
import type { PurgeReport } from '../../functions/retention-purge/schema.ts';
import type { RefreshReport } from '../../functions/view-refresh/schema.ts';
import { exampleSeeds, fillExamples } from './examples.ts';
import { orLeave, readDemoOptions } from './options.ts';
import { type Stack, startStack } from './stack.ts';

printOnlyText();

const { scale } = orLeave(() => readDemoOptions(process.argv.slice(2)));
const scaled = (rows: number) => Math.round(rows * scale);
const size = {
  users: scaled(2_750),
  packages: scaled(200_000),
  metrics: scaled(1_000_000),
  products: scaled(2_000),
};

async function main() {
  heading(
    'Nightshift demo: a coaching app and a product catalog, after five years without a night shift',
  );
  note('Booting Postgres and the Supabase gateway ...');
  const stack = await startStack({ seeds: exampleSeeds });
  try {
    note(
      `Loading ${size.metrics.toLocaleString('en')} metrics and ${size.packages.toLocaleString('en')} packages, half of them soft-deleted ...`,
    );
    const bars = progressBars();
    await fillExamples(stack.databaseUrl, size, bars.onProgress).finally(bars.stop);
    const startedMs = systemClock.nowMs();

    heading(
      'The partitions before the night: rows that pile up in a default one, months that are due',
    );
    await showPlan(stack, 'partition-maintenance');
    heading('The night shift: the partitions');
    const partitions = (await run(stack, 'partition-maintenance', {})) as PartitionReport;
    heading('The partitions after it');
    await showPlan(stack, 'partition-maintenance');

    heading('The plan of the materialized views');
    await showPlan(stack, 'view-refresh');
    heading('The night shift: the refresh');
    const views = (await run(stack, 'view-refresh', {})) as RefreshReport;
    heading('The same again: nothing has changed, so nothing is refreshed');
    await run(stack, 'view-refresh', {});

    heading('The rows that are due');
    await showPolicies(stack, 'retention-purge');
    heading('The night shift: the purge');
    const purge = (await run(stack, 'retention-purge', {})) as PurgeReport;
    heading('The night shift: the vacuum of what the purge left dead');
    await run(stack, 'table-vacuum', {});
    heading('The next night, as a dry run: nothing is written');
    await run(stack, 'retention-purge', { dryRun: true });

    heading('By day: what somebody deletes by mistake comes back, exactly');
    for (const line of await deleteAndRestore(stack)) note(line);

    heading('The health of the database and of the night shift');
    showHealth(await lookAtHealth(connect(stack).rpc));
    note(
      'The row without a partition has the time of a clock that was wrong. Where rows are still dead, autovacuum comes within a minute.',
    );

    heading('What the night did');
    note(`All of it took ${age((systemClock.nowMs() - startedMs) / 1000)}.`);
    for (const line of inWords(partitions, views, purge)) note(line);
  } finally {
    await stack.stop();
  }
}

function connect({ gatewayUrl, secretKey }: Stack) {
  const deadline = deadlineIn(systemClock, 600_000);
  return { deadline, rpc: createRpc({ url: gatewayUrl, secretKey }, deadline) };
}

async function showPolicies(stack: Stack, job: JobName): Promise<void> {
  const presenter = await loadPresenter(job);
  const shown = await presenter.policies?.(connect(stack).rpc);
  shown?.show();
}

async function showPlan(stack: Stack, job: JobName): Promise<void> {
  const presenter = await loadPresenter(job);
  const shown = await presenter.plan?.(connect(stack).rpc);
  shown?.show();
}

async function run(stack: Stack, name: JobName, input: { dryRun?: boolean }): Promise<unknown> {
  const bars = progressBars();
  const connections = connect(stack);
  const { run, error } = await runJob(
    await loadJob(name),
    { trigger: 'cli', requestedBy: 'demo', input },
    {
      ...connections,
      direct: connectDirect(stack.databaseUrl, connections.deadline),
      clock: systemClock,
      log: silentLog,
      metrics: noMetrics,
      onProgress: bars.onProgress,
    },
  ).finally(bars.stop);
  if (error) throw error;
  const presenter = await loadPresenter(name);
  presenter.showReport(run.report as never);
  return run.report;
}

async function deleteAndRestore({ gatewayUrl, secretKey }: Stack): Promise<readonly string[]> {
  const client = createClient(gatewayUrl, secretKey, { auth: { persistSession: false } });
  const names = ['Package 17', 'Package 18', 'Package 19'];
  const { operation, deleted } = await softDeleteWhere(
    client,
    'public.professional_packages',
    [{ column: 'name', operator: 'in', value: names }],
    { by: 'demo', reason: 'by mistake' },
  );
  const { restored } = await restoreOperation(client, operation);
  return [
    `Of ${names.join(', ')}, ${deleted} were active, and are deleted: with the user, the reason and the time.`,
    `Restoring that operation brings ${Object.values(restored).join()} back, and nothing that was deleted before it.`,
  ];
}

function inWords(
  partitions: PartitionReport,
  views: RefreshReport,
  purge: PurgeReport,
): readonly string[] {
  const count = (n: number) => n.toLocaleString('en');
  const ended = purge.steps.find(
    ({ relation }) => relation === 'public.professional_package_subscriptions',
  );
  const released = purge.steps.flatMap((step) => Object.values(step.released));
  return [
    `Partitions: ${partitions.partitionsCreated} made ahead, ${count(partitions.rowsMoved)} rows moved into theirs, ${partitions.partitionsRetired} past their time retired.`,
    `Views: ${views.viewsRefreshed} refreshed, each after those that it reads.`,
    `Rows: ${count(purge.rowsPurged)} that were due are gone, and ${count(purge.childrenPurged)} of other tables with them, because a policy says so.`,
    `${count(released.reduce((sum, n) => sum + n, 0))} workouts outlived the plan that they came from, and name it no longer.`,
    `${count(ended?.rowsKept ?? 0)} ended subscriptions stay for their payments, which the policy keeps: nobody has to do anything.`,
    `${count(purge.rowsBlocked)} deleted packages stay because somebody still subscribes to them: no policy allows to take that away, so nothing did.`,
  ];
}

await main();
