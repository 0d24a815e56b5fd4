-- Health check ledger_size: how much space the records of Nightshift itself take.
-- Why: what keeps a database small must not be what fills it.
-- Locks: none but ACCESS SHARE on tables of its own, for a moment.

create or replace function nightshift.health_ledger_size(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    c.oid::regclass::text,
    z.bytes,
    format('About %s rows, kept for %s; %s more wait for a vacuum.', nightshift.figure(z.live), coalesce(k.retention::text, 'ever'), nightshift.figure(z.dead)),
    case
      when c.relkind = 'p' and k.retention is null
        then format('select nightshift.add_partition_policy(%L, ''1 month'', retention => ''6 months'', retire => ''drop'');', c.oid::regclass)
      when c.relkind = 'p' then format('select nightshift.alter_partition_policy(%L, retention => %L);',
        c.oid::regclass, greatest(k.retention / 2, '1 month'))
      when c.relname = 'trend_points' and k.retention > '60 days' then 'update nightshift.settings set trend_retention = ''60 days'';'
      -- What was deleted gives its space back only to new rows.
      when c.relname <> 'trend_points' and k.retention > '30 days' then 'update nightshift.settings set ledger_retention = ''30 days'';'
      else format('vacuum full %s;', c.oid::regclass)
    end,
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_class c
  cross join lateral (
    select case c.relkind
      when 'p' then (select p.retention from nightshift.partition_policies p where p.parent = c.oid and p.enabled)
      else (
        select case c.relname when 'trend_points' then s.trend_retention else s.ledger_retention end from nightshift.settings s
      ) end
  ) k(retention)
  cross join lateral (
    select sum(pg_total_relation_size(t.relid)), sum(pg_stat_get_live_tuples(t.relid)), sum(pg_stat_get_dead_tuples(t.relid))
    from (
      select p.relid from pg_partition_tree(c.oid) p where p.isleaf
      union all
      select c.oid where c.relkind = 'r'
    ) t(relid)
  ) z(bytes, live, dead)
  where c.oid in (
    'nightshift.runs'::regclass, 'nightshift.view_refreshes'::regclass, 'nightshift.deletion_events'::regclass,
    'nightshift.trend_points'::regclass
  );
end;
$$;

comment on function nightshift.health_ledger_size is
  'Bytes of the tables that keep what was done (runs, view_refreshes, deletion_events, trend_points), with indexes and long values. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'ledger_size',
  title => 'Size of the ledger',
  healthy => 'The ledger is small.',
  why => 'What keeps a database small should not be what fills it.',
  unit => 'bytes', info => 104857600, warning => 1073741824
);
