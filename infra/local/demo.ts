import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { listedPolicies, type PurgeReport } from '../../functions/retention-purge/schema.ts';
import { exampleSeeds, fillExamples } from './examples.ts';
import { loadJob } from './jobs.ts';
import { startStack } from './stack.ts';
import { heading, note, progressBars, showPolicies, showReport } from './ui.ts';

const size = { users: 2_750, packages: 200_000, metrics: 1_000_000, products: 2_000 };

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
    await fillExamples(stack.databaseUrl, size);
    const rpc = createRpc(
      { url: stack.gatewayUrl, secretKey: stack.secretKey },
      deadlineIn(systemClock, 60_000),
    );
    heading('What is due');
    showPolicies(await rpc.call('list_retention_policies', {}, listedPolicies));

    heading('The night shift');
    showReport(await purge(stack, {}));

    heading('The next night, as a dry run: nothing is written');
    showReport(await purge(stack, { dryRun: true }));
    note('What is left is still needed by rows that stay; each line above names the foreign key.');
  } finally {
    await stack.stop();
  }
}

async function purge(
  { gatewayUrl, secretKey }: { gatewayUrl: string; secretKey: string },
  input: { dryRun?: boolean },
): Promise<PurgeReport> {
  const deadline = deadlineIn(systemClock, 120_000);
  const bars = progressBars();
  const { run, error } = await runJob(
    await loadJob('retention-purge'),
    { trigger: 'cli', requestedBy: 'demo', input },
    {
      rpc: createRpc({ url: gatewayUrl, secretKey }, deadline),
      clock: systemClock,
      deadline,
      log: silentLog,
      metrics: noMetrics,
      onProgress: bars.onProgress,
    },
  ).finally(bars.stop);
  if (error) throw error;
  return run.report as PurgeReport;
}

await main();
