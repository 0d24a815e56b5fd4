-- Which tables a vacuum is due for, and why.
-- Why: autovacuum waits for a fifth of a table to be dead, which in a large one it never is on the night of a purge; it never
--      analyzes a partitioned table; and what it freezes at the last moment it freezes in the middle of the day.
-- Locks: none, it reads the catalogs and the statistics.

create or replace function nightshift.vacuum_states(only_relations oid[] default null, as_of timestamptz default now())
returns setof nightshift.vacuum_state
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Fewer are not worth a vacuum.
  few constant bigint := 1000;
begin
  if not current_setting('track_counts')::boolean then
    raise exception using
      errcode = 'NS424',
      message = 'Postgres counts no dead rows: track_counts is off',
      hint = 'alter system set track_counts = on; select pg_reload_conf();';
  end if;

  return query
  with purged as materialized (
    select p.relation, p.purged_at from nightshift.purged_tables(vacuum_states.as_of) p
  ),
  policies as materialized (
    -- A partition goes by a policy of its own, or by that of its table.
    select distinct on (b.oid) b.oid, coalesce(p.max_dead_fraction, 0.05) as max_dead_fraction, p.enabled
    from nightshift.vacuum_policies p
    cross join lateral nightshift.tables_of_policy(p) b(oid)
    order by b.oid, nightshift.table_of_policy(p)::oid = b.oid desc
  ),
  counted as materialized (
    select c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) as name,
      case when c.relkind = 'p' then 0 else pg_stat_get_dead_tuples(c.oid) end as dead,
      case when c.relkind = 'p' then 0 else pg_stat_get_live_tuples(c.oid) end as live,
      coalesce(pg_stat_get_dead_tuples(c.reltoastrelid), 0) as toast_dead,
      coalesce(pg_stat_get_live_tuples(c.reltoastrelid), 0) as toast_live,
      pg_stat_get_mod_since_analyze(c.oid) as changed,
      greatest(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid)) as vacuumed_at,
      greatest(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid)) as analyzed_at,
      case when c.relkind <> 'p' then greatest(age(c.relfrozenxid), age(t.relfrozenxid)) end as xids,
      case when c.relkind <> 'p' then greatest(mxid_age(c.relminmxid), mxid_age(t.relminmxid)) end as mxids
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
    where c.relkind in ('r', 'm', 'p') and c.relpersistence <> 't'
      and n.nspname not in ('pg_catalog', 'information_schema')
      and (vacuum_states.only_relations is null or c.oid = any(vacuum_states.only_relations))
      -- What was retired is read no more, and goes as a whole.
      and (c.relispartition or c.oid not in (select r.partition from nightshift.retired_partitions r where r.status = 'detached'))
  ),
  judged as (
    select k.*, p.purged_at,
      case
        when k.relkind = 'p' then case when exists (
          select from nightshift.partitions_below(k.oid) b(oid)
          where b.oid <> k.oid and case when k.analyzed_at is null then pg_stat_get_live_tuples(b.oid) > 0
            else k.analyzed_at < vacuum_states.as_of - interval '7 days' and (
              pg_stat_get_mod_since_analyze(b.oid) > 0
              or greatest(pg_stat_get_last_analyze_time(b.oid), pg_stat_get_last_autoanalyze_time(b.oid)) > k.analyzed_at
            ) end
        ) then 'statistics' end
        when k.xids >= nightshift.freeze_limit('') or k.mxids >= nightshift.freeze_limit('multixact_') then 'freeze'
        when p.purged_at > coalesce(k.vacuumed_at, '-infinity') and greatest(k.dead, k.toast_dead) >= few then 'purged'
        when k.dead >= greatest(few, coalesce(o.max_dead_fraction, 0.05) * (k.dead + k.live))
          or k.toast_dead >= greatest(few, coalesce(o.max_dead_fraction, 0.05) * (k.toast_dead + k.toast_live))
          then 'dead_rows'
        when k.changed >= greatest(few, 0.1 * k.live) then 'statistics'
      end as reason
    from counted k
    left join purged p on p.relation = k.oid
    left join policies o on o.oid = k.oid
    where coalesce(o.enabled, true) or vacuum_states.only_relations is not null
  )
  select j.oid, j.name, j.relkind, j.dead + j.toast_dead, j.live, j.changed, greatest(j.xids, j.mxids)::bigint, j.reason, j.purged_at
  from judged j
  where vacuum_states.only_relations is not null
    -- Supabase and the authors of extensions see to theirs.
    or j.reason is not null and nightshift.advice_for_supabase_table(j.oid) is null;
end;
$$;

comment on function nightshift.vacuum_states is
  'The tables, partitioned tables and materialized views that a vacuum is due for, or those asked for, due or not. dead_rows: with those of TOAST. reason: freeze (transactions or multixacts as old as freeze_limit says), purged (1,000 dead rows since the last vacuum, in a table that a purge took rows from), dead_rows (5 percent, or what its policy says, and at least 1,000), statistics (10 percent and at least 1,000 rows changed since the last ANALYZE; a partitioned table with rows: never analyzed, or not for a week while its partitions changed), null: not due.';
