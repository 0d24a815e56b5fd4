-- Health check dead_tuples: dead rows against the number from which on autovacuum should have removed them.
-- Why: they slow down every scan and keep their disk; that they are still there says that autovacuum does not come, or cannot.

create or replace function nightshift.health_dead_tuples(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not current_setting('track_counts')::boolean then
    raise exception using
      errcode = 'NS424',
      message = 'Postgres counts no dead rows, and vacuums nothing by itself: track_counts is off',
      hint = 'alter system set track_counts = on; select pg_reload_conf();';
  end if;

  return query
  with counted as materialized (
    select c.oid, c.reltuples, c.reloptions, c.relowner, m.oid as main, m.reloptions as main_options,
      pg_stat_get_dead_tuples(c.oid) as dead
    from pg_catalog.pg_class c
    left join pg_catalog.pg_class m on c.relkind = 't' and m.reltoastrelid = c.oid
    where c.relkind in ('r', 'm', 't') and c.relpersistence <> 't'
      -- Fewer say nothing, and most tables have fewer.
      and pg_stat_get_dead_tuples(c.oid) >= 10000
  ),
  autovacuum as (
    select t.*,
      coalesce(o.base, current_setting('autovacuum_vacuum_threshold')::numeric) as base,
      coalesce(o.scale, current_setting('autovacuum_vacuum_scale_factor')::numeric) as scale,
      -- From Postgres 18 on; -1 is no maximum.
      nullif(coalesce(o.most, current_setting('autovacuum_vacuum_max_threshold', true)::numeric), -1) as most,
      coalesce(o.enabled, true) and current_setting('autovacuum')::boolean as enabled
    from counted t
    cross join lateral (
      select
        max(x.option_value::numeric) filter (where x.option_name = 'autovacuum_vacuum_threshold') as base,
        max(x.option_value::numeric) filter (where x.option_name = 'autovacuum_vacuum_scale_factor') as scale,
        max(x.option_value::numeric) filter (where x.option_name = 'autovacuum_vacuum_max_threshold') as most,
        bool_and(x.option_value::boolean) filter (where x.option_name = 'autovacuum_enabled') as enabled
      -- Autovacuum goes by the options of a TOAST table, and where it has none by those of its table.
      from pg_options_to_table(coalesce(t.reloptions, t.main_options)) x
    ) o
  )
  select
    case when a.main is null then a.oid::regclass::text else format('%s (TOAST)', a.main::regclass) end,
    round(a.dead / greatest(least(a.base + a.scale * greatest(a.reltuples, 0)::numeric, a.most), 1), 1),
    format('%s dead and %s live rows; %s, last vacuumed by it %s', nightshift.figure(a.dead), nightshift.figure(pg_stat_get_live_tuples(a.oid)),
      case when a.enabled then 'autovacuum is on' else 'autovacuum is switched off' end,
      coalesce(to_char(pg_stat_get_last_autovacuum_time(a.oid), 'YYYY-MM-DD HH24:MI'), 'never')),
    format('vacuum (analyze) %s;', coalesce(a.main, a.oid)::regclass),
    null::numeric, null::numeric, null::numeric, null::text
  from autovacuum a
  join pg_catalog.pg_class c on c.oid = coalesce(a.main, a.oid)
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname not in ('pg_catalog', 'information_schema')
    -- Nobody else may vacuum it.
    and pg_has_role(c.relowner, 'usage')
    -- What was retired is read no more, and goes as a whole.
    and (c.relispartition or c.oid not in (select r.partition from nightshift.retired_partitions r where r.status = 'detached'));
end;
$$;

comment on function nightshift.health_dead_tuples is
  'Dead rows of tables, materialized views and TOAST tables that have at least 10,000, in times the number at which autovacuum comes by the settings of the table and of the server. Only those that the owner of this function may vacuum. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'dead_tuples',
  title => 'Dead rows',
  healthy => 'Vacuum keeps up with the dead rows.',
  why => 'Dead rows slow down every scan and keep their disk space; so many of them mean that autovacuum does not come, or is held back by an old transaction.',
  unit => 'times', info => 2, warning => 5
);
