import postgres from 'postgres';
import type { StepProgress } from '../../functions/_shared/job.ts';

export interface ExampleSize {
  users: number;
  packages: number;
  metrics: number;
  products: number;
}

/** The example applications, as `seeds` of the stack; `fillExamples` gives them rows and policies. */
export const exampleSeeds = ['coaching', 'catalog', 'generate'];

/**
 * What users delete, they delete and restore by themselves; what was billed is for the service role alone. Views of what is
 * active and what is deleted come with it. A client who leaves a coach may write what a deletion writes, and nothing else.
 */
const softDeletes = `
  select nightshift.enable_soft_delete(relation, for_users => true)
  from unnest(array['public.professional_packages', 'public.coach_clients', 'public.user_targets', 'public.coach_plans',
    'public.user_workouts']::regclass[]) relation;
  grant update (deleted_at, deleted_by, deletion_reason, deletion_id) on public.coach_clients to authenticated;
  select nightshift.enable_soft_delete('public.professional_package_subscriptions');
  select nightshift.enable_soft_delete(relation, marker_column => 'deletedAt', flag_column => 'isDeleted', for_users => true)
  from unnest(array['public."Product"', 'public."Asset"']::regclass[]) relation;
`;

/**
 * Coaches may undelete within a year; a product can be restored for thirty days; logs age by themselves, and metrics by the
 * month. Likes and what joins a product to its assets go with what they belong to, a workout outlives its plan, and what
 * was paid for is kept. A package that somebody still subscribes to stays, because nothing here says otherwise. How long the
 * queries behind the pages may take is what the guide asks for.
 */
const policies = `
  select nightshift.add_retention_policy('public.professional_packages', '1 year',
    with_children => array['public.package_likes']);
  select nightshift.add_retention_policy('public.professional_package_subscriptions', '1 year',
    keep => array['public.payments']);
  select nightshift.add_retention_policy('public.coach_clients', '1 year');
  select nightshift.add_retention_policy('public.user_targets', '1 year');
  select nightshift.add_retention_policy('public.coach_plans', '1 year', release => array['public.user_workouts']);
  select nightshift.add_retention_policy('public.user_workouts', '1 year');
  select nightshift.add_retention_policy('public.activity_logs', '90 days',
    marker_column => 'created_at', first_purge => 'all');
  select nightshift.add_retention_policy('public."Product"', '30 days', marker_column => 'deletedAt',
    flag_column => 'isDeleted', with_children => array['public."ProductAsset"', 'public."ProductAttribute"']);
  select nightshift.add_retention_policy('public."Asset"', '30 days', marker_column => 'deletedAt',
    flag_column => 'isDeleted', with_children => array['public."ProductAsset"']);
  select nightshift.adopt_refresh_policies('public');
  select nightshift.add_partition_policy('public.daily_metrics', '1 month', retention => '10 months', retire => 'drop');
  select nightshift.add_partition_policy('public.audit_logs', '1 month', premake => 3);
  select nightshift.add_key_query('single_month_metrics', $$
    select user_id, recorded_date, calories_burned, workout_minutes, sleep_hours from public.daily_metrics
    where recorded_date >= date_trunc('month', now() at time zone 'utc')::date
      and recorded_date < (date_trunc('month', now() at time zone 'utc') + interval '1 month')::date $$, 100);
  select nightshift.add_key_query('coach_dashboard', 'select * from public.mv_coach_performance_stats', 300);
  select nightshift.add_key_query('package_search', $$
    select id, name, price from public.professional_packages
    where deleted_at is null and name ilike '%strength%' order by created_at desc limit 20 $$, 100);
`;

/** The parts of fill_coaching, which says when each begins, then the catalog, soft delete and the policies. */
const parts = 7 + 2;

export async function fillExamples(
  databaseUrl: string,
  size: ExampleSize,
  onProgress: (progress: StepProgress) => void = () => {},
): Promise<void> {
  let done = 0;
  const next = () => onProgress({ subject: 'loading', unit: 'parts', done: done++, total: parts });
  const onnotice = ({ message = '' }) => {
    if (message.startsWith('filling ')) next();
  };
  const sql = postgres(databaseUrl, { max: 1, onnotice });
  try {
    await sql`select nightshift_example.fill_coaching(${size.users}, ${size.packages}, ${size.metrics})`;
    next();
    await sql`select nightshift_example.fill_catalog(${size.products})`;
    next();
    await sql.unsafe(softDeletes + policies);
    next();
  } finally {
    await sql.end();
  }
}
