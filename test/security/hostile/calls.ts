import { behindCalls } from '../../support/every-call.ts';

/** A call that the matrix makes, in a transaction of its own that is undone. */
export interface Call {
  /** The function, and what tells this call of it from others. */
  name: string;
  /** The function alone. */
  function: string;
  /** The table it is about; it is made for what is hung around that table only. */
  table?: string;
  /** A run of this job holds the lease. */
  job?:
    | 'retention-purge'
    | 'partition-maintenance'
    | 'view-refresh'
    | 'table-vacuum'
    | 'health-check';
  dryRun: boolean;
  /** What that run is asked for. */
  input?: { only: string[] };
  /** SQL; `lease` stands for the first two arguments. */
  statements: (lease: string) => string[];
}

interface Options extends Partial<Pick<Call, 'table' | 'job' | 'dryRun' | 'input'>> {
  statements?: Call['statements'];
}

/** A call of the function with these arguments, after those of the lease if it is made for a run. */
function call(name: string, args: string, { statements, ...options }: Options = {}): Call {
  const { table, job, dryRun = false } = options;
  return {
    name: [name, table, dryRun && 'dry'].filter(Boolean).join(' '),
    function: name,
    dryRun,
    ...options,
    statements: (lease) => [
      ...(statements?.(lease) ?? []),
      `select nightshift.${name}(${[job && lease, args].filter(Boolean).join(', ')})`,
    ],
  };
}

const dryAndReal = (name: string, args: string, options: Options): Call[] =>
  [true, false].map((dryRun) => call(name, args, { ...options, dryRun }));

/** Asked for by name, it is vacuumed whether or not the statistics call it due by then. */
const vacuumOfOrders = {
  table: 'app.orders',
  job: 'table-vacuum',
  input: { only: ['app.orders'] },
} satisfies Options;

const onPurgedTable = (table: string): Call[] => {
  const name = `'${table}'`;
  const purge = { table, job: 'retention-purge' } as const;
  return [
    call('add_retention_policy', `${name}, '30 days'`, {
      table,
      statements: () => [`select nightshift.remove_retention_policy(${name})`],
    }),
    call('alter_retention_policy', `${name}, '31 days'`, { table }),
    call('settle_reference', `${name}, 'app.lines', 'with_children'`, { table }),
    ...dryAndReal('measure_retention_backlog', name, purge),
    ...dryAndReal('measure_retention_backlogs', `array[${name}]`, purge),
    ...dryAndReal('measure_retention_rest', name, purge),
    ...dryAndReal('purge_batch', `${name}, 1000`, {
      ...purge,
      statements: (lease) => [
        `select nightshift.plan_retention_purge(${lease})`,
        // Without measuring, which may run something by itself.
        `update nightshift.runs set progress = progress || jsonb_build_object('backlogs', (
          select jsonb_object_agg(p.relation::text, '{"totalRows": 1000}'::jsonb) from nightshift.retention_policies p
        ))`,
      ],
    }),
    ...onSoftDeletedTable(table),
  ];
};

function onSoftDeletedTable(table: string): Call[] {
  const name = `'${table}'`;
  const keyOf = (id: number) =>
    JSON.stringify(table === 'app.orders' ? { id } : { id, room: 1 + (id % 2) });
  const enable = `select nightshift.enable_soft_delete(${name}, views => false)`;
  const enabled = { table, statements: () => [enable] };
  // Deleting and restoring has the rights of whoever calls, so this is about what in it has those of the owner.
  const asService = {
    table,
    statements: () => [
      enable,
      `grant usage on schema app to service_role; grant select, insert, update on ${table} to service_role`,
      'set local role service_role',
    ],
  };
  const operation = `(nightshift.soft_delete(${name}, '[${keyOf(30)}]') ->> 'operation')::uuid`;
  return [
    call('enable_soft_delete', `${name}, views => false`, { table }),
    call('disable_soft_delete', `${name}, 'keep'`, enabled),
    call('inspect_soft_delete', name, enabled),
    call('deletion_stats', name, enabled),
    call('deleted_since', name, asService),
    call('plan_delete', `${name}, '[${keyOf(30)}]'`, asService),
    call('soft_delete', `${name}, '[${keyOf(30)}]'`, asService),
    call(
      'soft_delete_where',
      `${name}, '[{"column": "id", "operator": "gt", "value": 30}]'`,
      asService,
    ),
    call('plan_restore', operation, asService),
    call('plan_restore', `relation => ${name}, keys => '[${keyOf(1)}]'`, asService),
    call('plan_restore', `relation => ${name}, since => '2020-01-01'`, asService),
    call('restore', `${name}, '[${keyOf(1)}, ${keyOf(2)}]'`, asService),
    call('restore_operation', operation, asService),
    call('restore_since', `${name}, '2020-01-01'`, asService),
    call(
      'put_active',
      `${name}, '${keyOf(200)}', '${table === 'app.orders' ? 'id' : 'id, room'}'`,
      asService,
    ),
  ];
}

const onPartitionedTable = (table: string): Call[] => {
  const name = `'${table}'`;
  const maintenance = { table, job: 'partition-maintenance' } as const;
  return [
    call('add_partition_policy', `${name}, '1 year', retention => '1 year'`, {
      table,
      statements: () => [`select nightshift.remove_partition_policy(${name})`],
    }),
    call('alter_partition_policy', `${name}, premake => 2`, { table }),
    call('create_missing_partitions', name, { table }),
    call('check_partition_sizes', name, { table }),
    call('secure_partitions', name, { table }),
    ...dryAndReal('preview_retirement', name, maintenance),
    ...dryAndReal('measure_default_partition', name, maintenance),
    call('create_partitions', `array[${name}]`, maintenance),
    call('exclude_from_default', `${name}, 8000`, maintenance),
    call('validate_default', name, {
      ...maintenance,
      statements: (lease) => [`select nightshift.exclude_from_default(${lease}, ${name}, 8000)`],
    }),
    call('release_default', name, {
      ...maintenance,
      statements: (lease) => [`select nightshift.exclude_from_default(${lease}, ${name}, 8000)`],
    }),
    call('retire_partitions', name, maintenance),
    call('begin_detach', name, maintenance),
  ];
};

const onRetiredPartitions: Call[] = [
  call('reattach_partition', "'app.metrics_2021'", { table: 'app.metrics' }),
  call('finish_detach', "'app.metrics_2022'", {
    table: 'app.metrics',
    job: 'partition-maintenance',
  }),
  call('drop_retired_partitions', "array['app.metrics_2021']", {
    table: 'app.metrics',
    job: 'partition-maintenance',
  }),
];

const onView: Call[] = [
  call('add_refresh_policy', "'app.totals'", {
    table: 'app.totals',
    statements: () => ["select nightshift.remove_refresh_policy('app.totals')"],
  }),
  call('alter_refresh_policy', "'app.totals', '1 hour'", { table: 'app.totals' }),
  call('adopt_refresh_policies', "'app'", {
    table: 'app.totals',
    statements: () => ["select nightshift.remove_refresh_policy('app.totals')"],
  }),
  call('refresh_view', "'app.totals', true", { table: 'app.totals', job: 'view-refresh' }),
  call('record_refresh_failure', "'app.totals', 'changed', '', 1, '{}'", {
    table: 'app.totals',
    job: 'view-refresh',
  }),
];

const vacuums: Call[] = [
  call('add_vacuum_policy', "'app.orders'", { table: 'app.orders' }),
  call('alter_vacuum_policy', "'app.orders', 0.1", {
    table: 'app.orders',
    statements: () => ["select nightshift.add_vacuum_policy('app.orders')"],
  }),
  call('begin_vacuum', "'app.orders'", vacuumOfOrders),
  call('watch_vacuum', '', { table: 'app.orders', job: 'table-vacuum' }),
  call('plan_reindex', "array['app.orders_pkey']", { table: 'app.orders', job: 'table-vacuum' }),
  call('begin_reindex', "'app.orders_pkey'", { table: 'app.orders', job: 'table-vacuum' }),
  call('finish_reindex', "'app.orders_pkey'", {
    table: 'app.orders',
    job: 'table-vacuum',
    statements: (lease) => [`select nightshift.begin_reindex(${lease}, 'app.orders_pkey')`],
  }),
  call('report_bloat', "array['app.orders']", { table: 'app.orders', job: 'table-vacuum' }),
  call('finish_vacuum', "'app.orders'", {
    ...vacuumOfOrders,
    statements: (lease) => [`select nightshift.begin_vacuum(${lease}, 'app.orders')`],
  }),
];

/** About whatever there is. */
const onAll: Call[] = [
  call('list_retention_policies', ''),
  call('preview_retention_purge', ''),
  ...dryAndReal('plan_retention_purge', '', { job: 'retention-purge' }),
  call('list_partition_policies', ''),
  ...dryAndReal('plan_partition_maintenance', '', { job: 'partition-maintenance' }),
  call('list_refresh_policies', ''),
  ...dryAndReal('plan_view_refresh', '', { job: 'view-refresh' }),
  call('preview_table_vacuum', ''),
  call('list_vacuum_policies', '', {
    statements: () => ["select nightshift.add_vacuum_policy('app.orders')"],
  }),
  ...dryAndReal('plan_table_vacuum', '', { job: 'table-vacuum' }),
  call('get_health', ''),
  call('check_health', "array['default_partition_rows', 'backlog_age']", { job: 'health-check' }),
  call('take_status', '', { job: 'health-check' }),
  call('take_troubles', ''),
  call('set_health_threshold', "'soft_deletes', 'app.orders', 1"),
  call('describe_installation', ''),
  call('describe_jobs', ''),
  call('describe_trends', ''),
  call('describe_key_queries', ''),
  call('measure_key_query', "'orders'", {
    table: 'app.orders',
    job: 'health-check',
    statements: () => [
      "select nightshift.add_key_query('orders', 'select count(*) from app.orders', 100)",
    ],
  }),
];

export const calls: Call[] = [
  ...['app.orders', 'app.messages'].flatMap(onPurgedTable),
  ...['app.events', 'app.metrics'].flatMap(onPartitionedTable),
  ...onRetiredPartitions,
  ...onView,
  ...vacuums,
  ...onAll,
];

/** Functions that look at nothing but tables of Nightshift, and those that the calls above are made of. */
export const withoutTables = [
  ...behindCalls,
  'admit_caller',
  'begin_run',
  'cancel_run',
  'consume_wake',
  'find_run',
  'finish_run',
  'get_run',
  'heartbeat_run',
  'list_deletion_events',
  'list_runs',
  'list_schedules',
  'note_told',
  'pause',
  'read_status',
  'remove_health_threshold',
  'remove_partition_policy',
  'remove_refresh_policy',
  'remove_retention_policy',
  'remove_vacuum_policy',
  'resume_run',
  'send_wakes',
  'unpause',
];
