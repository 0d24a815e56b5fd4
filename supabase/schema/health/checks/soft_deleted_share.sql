-- Health check soft_deleted_share: how much of each table is deleted rows that wait for their time.
-- Why: every query and index carries them, and when they are most of the table, retention is long or nothing is purged.
-- Locks: at run time ACCESS SHARE on tables that were never analyzed, for a moment.

create or replace function nightshift.health_soft_deleted_share(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
as $$
declare
  policies oid[] := array(select p.relation::oid from nightshift.soft_delete_policies() p);
  names name[] := array(
    select c.relname
    from unnest(policies) p(relation), nightshift.all_leaf_relations(p.relation) l(leaf), pg_catalog.pg_class c
    where c.oid = l.leaf
  );
  share record;
  measure nightshift.health_measure;
begin
  for share in
    -- Once for all: pg_stats can be read by many names, but not again for each table.
    with statistic as materialized (
      select v.schemaname, v.tablename, v.attname, v.null_frac, m.never, m.flagged
      from pg_catalog.pg_stats v
      left join lateral (
        select sum(f.freq) filter (where f.value = '-infinity') as never, sum(f.freq) filter (where f.value = 't') as flagged
        from unnest(v.most_common_vals::text::text[], v.most_common_freqs) f(value, freq)
      ) m on true
      where v.tablename = any(names) and not v.inherited
    )
    -- Of each partition: autovacuum analyzes those, and never the table that they are part of.
    select
      p.relation, p.drop_after,
      sum(c.reltuples) filter (where s.attname is not null) as rows_known,
      sum(c.reltuples * case when p.flag_column is null then 1 - s.null_frac - coalesce(s.never, 0)
        else coalesce(s.flagged, 0) end) as rows_deleted,
      array_agg(c.oid) filter (where s.attname is null) as unknown_leaves
    from nightshift.retention_policies p
    cross join lateral nightshift.all_leaf_relations(p.relation) l(leaf)
    cross join lateral (
      select r.oid, r.relname, r.reltuples, n.nspname
      from pg_catalog.pg_class r
      join pg_catalog.pg_namespace n on n.oid = r.relnamespace
      where r.oid = l.leaf
      offset 0
    ) c
    left join statistic s on s.schemaname = c.nspname and s.tablename = c.relname
      and s.attname = coalesce(p.flag_column, p.marker_column) and c.reltuples >= 0
    where p.relation::oid = any(policies)
    group by p.relation, p.drop_after
    order by p.relation::text
  loop
    measure := null;
    measure.subject := share.relation::text;
    begin
      if share.rows_known > 0 then
        measure.value := round(100 * share.rows_deleted::numeric / share.rows_known::numeric, 1);
        measure.detail := format('About %s of %s rows, as of the last analyze; each stays for %s.',
          nightshift.figure(round(share.rows_deleted)::numeric), nightshift.figure(round(share.rows_known)::numeric), share.drop_after);
        measure.fix := 'select p ->> ''relation'' as relation, p ->> ''dueRows'' as due, p ->> ''totalRows'' as total '
          || 'from jsonb_array_elements(nightshift.list_retention_policies()) p;';
      end if;
      if exists (
        select 1 from unnest(share.unknown_leaves) u(leaf)
        where not has_table_privilege(u.leaf, 'select') or row_security_active(u.leaf)
      ) then
        measure.problem := format('%I may not read its statistics.', current_user);
        measure.fix := format('grant select on %s to %I;', share.relation, current_user);
      elsif (
        select sum(pg_relation_size(u.leaf)) > 10000 * current_setting('block_size')::bigint from unnest(share.unknown_leaves) u(leaf)
      ) then
        measure.problem := 'It was never analyzed.';
        measure.fix := format('analyze %s;', share.relation);
      end if;
    exception
      when lock_not_available then
        measure.problem := 'Another session holds a lock on it.';
    end;
    if measure.value is not null or measure.problem is not null then
      return next measure;
    end if;
  end loop;
end;
$$;

comment on function nightshift.health_soft_deleted_share is
  'Deleted rows in percent of all rows of a table, by the statistics of the planner, for policies whose marker says that a row was deleted (see soft_delete_policies). A table that was never analyzed is left out, or unknown when it has more than 10,000 pages. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'soft_deleted_share',
  title => 'Share of deleted rows',
  healthy => 'No table consists mostly of deleted rows.',
  why => 'Queries and indexes carry deleted rows along until they are purged; a shorter time to keep them makes both smaller.',
  unit => 'percent', info => 50
);
