import postgres from 'postgres';

export interface ExampleSize {
  users: number;
  packages: number;
  metrics: number;
  products: number;
}

/** The example applications, as `seeds` of the stack; `fillExamples` gives them rows and policies. */
export const exampleSeeds = ['coaching', 'catalog', 'generate'];

/** Coaches may undelete within a year; a product can be restored for thirty days; logs age by themselves, and metrics by the month. */
const policies = `
  select nightshift.add_retention_policy('public.professional_packages', '1 year');
  select nightshift.add_retention_policy('public.professional_package_subscriptions', '1 year');
  select nightshift.add_retention_policy('public.coach_clients', '1 year');
  select nightshift.add_retention_policy('public.user_targets', '1 year');
  select nightshift.add_retention_policy('public.coach_plans', '1 year');
  select nightshift.add_retention_policy('public.user_workouts', '1 year');
  select nightshift.add_retention_policy('public.activity_logs', '90 days',
    marker_column => 'created_at', max_fraction => 0.9);
  select nightshift.add_retention_policy('public."Product"', '30 days',
    marker_column => 'deletedAt', flag_column => 'isDeleted');
  select nightshift.add_retention_policy('public."Asset"', '30 days',
    marker_column => 'deletedAt', flag_column => 'isDeleted');
  select nightshift.adopt_refresh_policies('public');
  select nightshift.add_partition_policy('public.daily_metrics', '1 month', retention => '10 months', retire => 'drop');
  select nightshift.add_partition_policy('public.audit_logs', '1 month', premake => 3);
`;

export async function fillExamples(databaseUrl: string, size: ExampleSize): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice() {} });
  try {
    await sql`select nightshift_example.fill_coaching(${size.users}, ${size.packages}, ${size.metrics})`;
    await sql`select nightshift_example.fill_catalog(${size.products})`;
    await sql.unsafe(policies);
  } finally {
    await sql.end();
  }
}
