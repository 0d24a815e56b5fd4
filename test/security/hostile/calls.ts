/** A call that the matrix makes, in a transaction of its own that is undone. */
export interface Call {
  /** The function, and what tells this call of it from others. */
  name: string;
  /** A run of this job holds the lease. */
  job?: 'retention-purge' | 'partition-maintenance' | 'view-refresh' | 'health-check';
  dryRun?: boolean;
  /** SQL; `lease` stands for the first two arguments. */
  statements: (lease: string) => string[];
}

const both = (call: Omit<Call, 'dryRun'>): Call[] => [
  { ...call, name: `${call.name}, dry`, dryRun: true },
  { ...call, dryRun: false },
];
const plain = (name: string, ...statements: string[]): Call => ({
  name,
  statements: () => statements,
});

const retentionTables = ['app.orders', 'app.messages', 'app.calm'];
const partitionedTables = ['app.events', 'app.metrics', 'app.calm_days'];

const retention: Call[] = [
  ...retentionTables.flatMap((table) => [
    plain(
      `add_retention_policy ${table}`,
      `select nightshift.remove_retention_policy('${table}')`,
      `select nightshift.add_retention_policy('${table}', '30 days')`,
    ),
    plain(
      `alter_retention_policy ${table}`,
      `select nightshift.alter_retention_policy('${table}', '31 days')`,
    ),
    ...both({
      name: `measure_retention_backlog ${table}`,
      job: 'retention-purge',
      statements: (lease) => [`select nightshift.measure_retention_backlog(${lease}, '${table}')`],
    }),
    ...both({
      name: `purge_batch ${table}`,
      job: 'retention-purge',
      statements: (lease) => [
        `select nightshift.plan_retention_purge(${lease})`,
        // As its job does, but for what the measuring alone may run.
        `update nightshift.runs set progress = progress || jsonb_build_object('backlogs', (
          select jsonb_object_agg(t, '{"totalRows": 1000}'::jsonb) from unnest(array['${[...retentionTables, 'app.lines'].join("','")}']) t
        ))`,
        `select nightshift.purge_batch(${lease}, '${table}', 1000)`,
      ],
    }),
  ]),
  plain('restore_rows', `select nightshift.restore_rows('app.orders', '{1,2}')`),
  plain('list_retention_policies', 'select nightshift.list_retention_policies()'),
  ...both({
    name: 'plan_retention_purge',
    job: 'retention-purge',
    statements: (lease) => [`select nightshift.plan_retention_purge(${lease})`],
  }),
];

const partitions: Call[] = [
  ...partitionedTables.flatMap((table) => [
    plain(
      `add_partition_policy ${table}`,
      `select nightshift.remove_partition_policy('${table}')`,
      `select nightshift.add_partition_policy('${table}', '1 year', retention => '1 year')`,
    ),
    plain(
      `alter_partition_policy ${table}`,
      `select nightshift.alter_partition_policy('${table}', premake => 2)`,
    ),
    plain(
      `create_missing_partitions ${table}`,
      `select nightshift.create_missing_partitions('${table}')`,
    ),
    plain(`check_partition_sizes ${table}`, `select nightshift.check_partition_sizes('${table}')`),
    plain(`secure_partitions ${table}`, `select nightshift.secure_partitions('${table}')`),
    ...both({
      name: `preview_retirement ${table}`,
      job: 'partition-maintenance',
      statements: (lease) => [`select nightshift.preview_retirement(${lease}, '${table}')`],
    }),
    ...both({
      name: `measure_default_partition ${table}`,
      job: 'partition-maintenance',
      statements: (lease) => [`select nightshift.measure_default_partition(${lease}, '${table}')`],
    }),
    ...(['retire_partitions', 'begin_detach'] as const).map(
      (name): Call => ({
        name: `${name} ${table}`,
        job: 'partition-maintenance',
        statements: (lease) => [`select nightshift.${name}(${lease}, '${table}')`],
      }),
    ),
    {
      name: `create_partitions ${table}`,
      job: 'partition-maintenance',
      statements: (lease) => [`select nightshift.create_partitions(${lease}, array['${table}'])`],
    } satisfies Call,
  ]),
  plain('reattach_partition', `select nightshift.reattach_partition('app.metrics_2021')`),
  {
    name: 'finish_detach',
    job: 'partition-maintenance',
    statements: (lease) => [`select nightshift.finish_detach(${lease}, 'app.metrics_2022')`],
  },
  {
    name: 'drop_retired_partitions',
    job: 'partition-maintenance',
    statements: (lease) => [
      `select nightshift.drop_retired_partitions(${lease}, array['app.metrics_2021'])`,
    ],
  },
  plain('list_partition_policies', 'select nightshift.list_partition_policies()'),
  ...both({
    name: 'plan_partition_maintenance',
    job: 'partition-maintenance',
    statements: (lease) => [`select nightshift.plan_partition_maintenance(${lease})`],
  }),
];

const views: Call[] = [
  plain(
    'add_refresh_policy',
    `select nightshift.remove_refresh_policy('app.totals')`,
    `select nightshift.add_refresh_policy('app.totals')`,
  ),
  plain('alter_refresh_policy', `select nightshift.alter_refresh_policy('app.totals', '1 hour')`),
  plain(
    'adopt_refresh_policies',
    `select nightshift.remove_refresh_policy('app.totals')`,
    `select nightshift.adopt_refresh_policies('app')`,
  ),
  plain('list_refresh_policies', 'select nightshift.list_refresh_policies()'),
  ...both({
    name: 'plan_view_refresh',
    job: 'view-refresh',
    statements: (lease) => [`select nightshift.plan_view_refresh(${lease})`],
  }),
  {
    name: 'refresh_view',
    job: 'view-refresh',
    statements: (lease) => [`select nightshift.refresh_view(${lease}, 'app.totals', true)`],
  },
  {
    name: 'record_refresh_failure',
    job: 'view-refresh',
    statements: (lease) => [
      `select nightshift.record_refresh_failure(${lease}, 'app.totals', 'changed', '', 1, '{}')`,
    ],
  },
];

const others: Call[] = [
  plain('get_health', 'select nightshift.get_health()'),
  {
    name: 'check_health',
    job: 'health-check',
    statements: (lease) => [`select nightshift.check_health(${lease})`],
  },
  plain(
    'set_health_threshold',
    `select nightshift.set_health_threshold(c.name, 'app.orders', 1) from nightshift.health_checks c`,
  ),
  plain('describe_installation', 'select nightshift.describe_installation()'),
  plain('describe_jobs', 'select nightshift.describe_jobs()'),
];

export const calls: Call[] = [...retention, ...partitions, ...views, ...others];
