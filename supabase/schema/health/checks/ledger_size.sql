-- Health check ledger_size: how much space the records of Nightshift itself take.
-- Why: what keeps a database small must not be what fills it.
-- Locks: none but ACCESS SHARE on tables of its own, for a moment.

create or replace function nightshift.health_ledger_size(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    c.oid::regclass::text,
    pg_total_relation_size(c.oid)::numeric,
    format('About %s rows, kept %s; %s more wait for a vacuum.', pg_stat_get_live_tuples(c.oid),
      case when c.relispartition then 'until someone deletes them' else format('for %s', s.ledger_retention) end,
      pg_stat_get_dead_tuples(c.oid)),
    -- What was deleted gives its space back only to new rows.
    case
      when c.relispartition then 'delete from nightshift.deletion_events where at < now() - interval ''1 year'';'
      when s.ledger_retention > '30 days'
      then 'update nightshift.settings set ledger_retention = ''30 days'';'
      else format('vacuum full %s;', c.oid::regclass) end,
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_class c
  cross join nightshift.settings s
  where c.oid in (
    select 'nightshift.runs'::regclass
    union all select 'nightshift.view_refreshes'::regclass
    union all select t.relid from pg_partition_tree('nightshift.deletion_events') t where t.isleaf
  );
$$;

comment on function nightshift.health_ledger_size is
  'Bytes of the tables that keep what was done (runs, view_refreshes, partitions of deletion_events), with indexes and long values. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'ledger_size',
  title => 'Size of the ledger',
  healthy => 'The ledger is small.',
  why => 'What keeps a database small should not be what fills it.',
  unit => 'bytes', info => 104857600, warning => 1073741824
);
