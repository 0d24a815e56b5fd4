import postgres from 'postgres';
import { deadlineIn, systemClock } from '../../functions/_shared/clock.ts';
import { silentLog } from '../../functions/_shared/log.ts';
import { noMetrics } from '../../functions/_shared/metrics.ts';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { runJob } from '../../functions/_shared/run.ts';
import { listedPolicies, type PurgeReport } from '../../functions/retention-purge/schema.ts';
import { loadJob } from './jobs.ts';
import { startStack } from './stack.ts';
import { heading, note, progressBars, showPolicies, showReport } from './ui.ts';

/** The policies of the coaching and catalog examples; README.md shows the same calls. */
const policies = `
  select nightshift.add_retention_policy('public.professional_packages', '1 year');
  select nightshift.add_retention_policy('public.professional_package_subscriptions', '1 year');
  select nightshift.add_retention_policy('public.coach_clients', '1 year');
  select nightshift.add_retention_policy('public.user_targets', '1 year');
  select nightshift.add_retention_policy('public.coach_plans', '1 year');
  select nightshift.add_retention_policy('public.user_workouts', '1 year');
  select nightshift.add_retention_policy('public.activity_logs', '90 days', marker_column => 'created_at', max_fraction => 0.9);
  select nightshift.add_retention_policy('public."Product"', '30 days', marker_column => 'deletedAt', flag_column => 'isDeleted');
  select nightshift.add_retention_policy('public."Asset"', '30 days', marker_column => 'deletedAt', flag_column => 'isDeleted');
`;

const size = { users: 2_750, packages: 200_000, metrics: 1_000_000, products: 2_000 };

async function main() {
  heading(
    'Nightshift demo: a coaching app and a product catalog, after five years without a night shift',
  );
  note('Booting Postgres and the Supabase gateway ...');
  const stack = await startStack({ seeds: ['coaching', 'catalog', 'generate'] });
  try {
    await fill(stack.databaseUrl);
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

async function fill(databaseUrl: string) {
  note(
    `Loading ${size.metrics.toLocaleString('en')} metrics and ${size.packages.toLocaleString('en')} packages, half of them soft-deleted ...`,
  );
  const sql = postgres(databaseUrl, { max: 2, onnotice() {} });
  try {
    await sql`select nightshift_example.fill_coaching(users => ${size.users}, packages => ${size.packages}, metrics => ${size.metrics})`;
    await sql`select nightshift_example.fill_catalog(products => ${size.products})`;
    await sql.unsafe(policies);
  } finally {
    await sql.end();
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
  );
  bars.stop();
  if (error) throw error;
  return run.report as PurgeReport;
}

await main();
