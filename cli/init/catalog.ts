import type { Sql } from './sql.ts';

export interface Column {
  name: string;
  /** As format_type has it, in pg_catalog. */
  type: string;
  notNull: boolean;
  default: string | null;
  generated: boolean;
}

interface ForeignKey {
  columns: string[];
  referenced: number;
}

export interface Table {
  oid: number;
  /** As SQL writes it, with its schema. */
  relation: string;
  name: string;
  kind: 'table' | 'partitioned' | 'view';
  bytes: number;
  rows: number | null;
  columns: Column[];
  primaryKey: string[];
  foreignKeys: ForeignKey[];
  /** What refers to it, itself left out. */
  referredBy: string[];
  /** Plain columns that an index begins with, and that index. */
  indexedBy: Record<string, string>;
  has: { retention: boolean; refresh: boolean; partitions: boolean; softDelete: boolean };
}

/** Of Supabase, or of a tool that keeps its own tables. What belongs to an extension is told by the catalog. */
const schemasOfOthers = [
  'nightshift',
  'information_schema',
  'auth',
  'storage',
  'realtime',
  '_realtime',
  'supabase_functions',
  'supabase_migrations',
  'vault',
  'extensions',
  'graphql',
  'graphql_public',
  'pgbouncer',
  'pgsodium',
  'pgsodium_masks',
  '_analytics',
  '_supavisor',
  'cron',
  'net',
  'pgmq',
  'pgmq_public',
  'pgtle',
  'dbdev',
  'tiger',
  'tiger_data',
  'topology',
  'partman',
  'pgboss',
  'graphile_worker',
  'graphile_migrate',
  'pgflow',
  'dbos',
  'hdb_catalog',
  'drizzle',
  'pgroll',
  '_timescaledb_internal',
];

/** Where tools write down what they have migrated. */
const ofMigrations =
  '(^|_)migrations?(_lock)?$|^databasechangelog(lock)?$|^flyway_schema_history$|^alembic_version$|^atlas_schema_revisions$|^ar_internal_metadata$|^spatial_ref_sys$';
/** Of queues that are in the schema of the application, and clean up themselves. Their "discarded_at" is of a job that failed. */
const ofQueues =
  '^good_job(s|_.*)$|^solid_(queue|cache|cable)_|^delayed_jobs$|^que_(jobs|lockers|values)$|^oban_|^river_(job|leader|queue|client|migration)';

/** The tables and materialized views of the application, read from the catalog alone. */
export function readCatalog(sql: Sql): Promise<Table[]> {
  return sql<Table[]>`
    with referring as materialized (
      select c.confrelid, jsonb_agg(format('%I on %s', c.conname, c.conrelid::regclass) order by c.conrelid::regclass::text, c.conname) as keys
      from pg_constraint c
      where c.contype = 'f' and c.conparentid = 0 and c.conrelid <> c.confrelid
      group by c.confrelid
    ),
    own as materialized (
      select c.oid, c.relname, c.relkind
      from nightshift.application_tables() o
      join pg_class c on c.oid = o
      join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'm') and not c.relispartition
        and n.nspname not like 'pg\\_%' and not n.nspname = any(string_to_array(${schemasOfOthers.join(' ')}, ' '))
        and c.relname !~* ${ofMigrations} and c.relname !~* ${ofQueues}
        and nightshift.advice_for_supabase_table(c.oid) is null
        and not exists (
          select from pg_depend d where d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e'
        )
        -- Of tables that inherit, whose rows are whose is not to be told from the outside.
        and not exists (
          select from pg_inherits i where i.inhrelid = c.oid or c.relkind = 'r' and i.inhparent = c.oid
        )
    )
    select o.oid::bigint::float8 as oid, o.oid::regclass::text as relation, o.relname as name,
      case o.relkind when 'r' then 'table' when 'p' then 'partitioned' else 'view' end as kind,
      s.bytes, s.rows,
      coalesce(a.columns, '[]') as columns, coalesce(k.primary_key, '[]') as "primaryKey",
      coalesce(f.foreign_keys, '[]') as "foreignKeys", coalesce(r.keys, '[]') as "referredBy",
      coalesce(i.indexed_by, '{}') as "indexedBy",
      jsonb_build_object(
        'retention', exists (select from nightshift.retention_policies p where p.relation = o.oid),
        'refresh', case when o.relkind = 'm' then (nightshift.find_refresh_policy(o.oid::regclass::text)).view is not null else false end,
        'partitions', exists (select from nightshift.partition_policies p where p.parent = o.oid),
        'softDelete', exists (select from nightshift.soft_delete_tables t where t.relation = o.oid)
      ) as has
    from own o
    cross join lateral (
      select coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 as bytes,
        case when bool_or(c.reltuples < 0) then null else coalesce(sum(c.reltuples), 0)::float8 end as rows
      from (
        select o.oid as leaf where o.relkind <> 'p'
        union all
        select t.relid from pg_partition_tree(o.oid) t where t.isleaf and o.relkind = 'p'
      ) l join pg_class c on c.oid = l.leaf and c.relkind in ('r', 'm')
    ) s
    cross join lateral (
      select jsonb_agg(jsonb_build_object(
        'name', a.attname, 'type', format_type(a.atttypid, null), 'notNull', a.attnotnull,
        'default', pg_get_expr(d.adbin, d.adrelid), 'generated', a.attgenerated <> ''
      ) order by a.attnum) as columns
      from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = o.oid and a.attnum > 0 and not a.attisdropped
    ) a
    cross join lateral (
      select jsonb_agg(a.attname) as primary_key
      from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any(c.conkey)
      where c.conrelid = o.oid and c.contype = 'p'
    ) k
    cross join lateral (
      select jsonb_agg(jsonb_build_object('referenced', c.confrelid::oid::bigint, 'columns', (
        select jsonb_agg(a.attname) from pg_attribute a where a.attrelid = c.conrelid and a.attnum = any(c.conkey)
      ))) as foreign_keys
      from pg_constraint c
      where c.conrelid = o.oid and c.contype = 'f' and c.conparentid = 0
    ) f
    left join referring r on r.confrelid = o.oid
    cross join lateral (
      select jsonb_object_agg(a.attname, i.indexrelid::regclass::text) as indexed_by
      from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
      where i.indrelid = o.oid and i.indisvalid
    ) i
    order by o.oid::regclass::text`;
}

const times = ['timestamp with time zone', 'timestamp without time zone', 'date'];

export const isTime = ({ type }: Column): boolean => times.includes(type);

export const isNow = ({ default: expression }: Column): boolean =>
  /\b(now|current_timestamp|current_date|clock_timestamp|statement_timestamp|transaction_timestamp)\b/i.test(
    expression ?? '',
  );
