-- Figures of a table with soft delete, at a bounded cost: counted exactly up to a limit, and estimated beyond it.
-- Locks: ACCESS SHARE.

create or replace function nightshift.deletion_stats(relation regclass, as_of timestamptz default now())
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  counted_at_most constant integer := 100000;
  source constant text := nightshift.scan_of(relation);
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation, false);
  names constant text[] := nightshift.history_names(relation);
  policy record;
  all_rows bigint;
  all_exact boolean := true;
  deleted bigint;
  deleted_exact boolean;
  oldest timestamptz;
  due bigint;
  days jsonb;
  deleted_by_day bigint;
  restored_by_day bigint;
  context text;
begin
  execute format('select count(*) from (select from %s r where %s limit %s) n', source, rules.deleted, counted_at_most + 1) into deleted;
  deleted_exact := deleted <= counted_at_most;
  execute format('select count(*) from (select from %s r limit %s) n', source, counted_at_most + 1) into all_rows;
  if all_rows > counted_at_most then
    all_exact := false;
    all_rows := greatest(all_rows, (
      select coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint from nightshift.leaf_relations(relation) l join pg_catalog.pg_class c on c.oid = l
    ));
  end if;
  if not deleted_exact then
    -- The planner keeps count of the entries of the index that holds deleted rows only.
    deleted := greatest(deleted, (
      select coalesce(sum(e.entries), 0)::bigint
      from (
        select max(greatest(x.reltuples, 0)) as entries
        from nightshift.leaf_relations(relation) l
        join pg_catalog.pg_index i on i.indrelid = l and i.indpred is not null and not i.indisunique
        join pg_catalog.pg_class x on x.oid = i.indexrelid
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0] and format('r.%I', a.attname) = rules.marker
        group by l
      ) e
    ));
  end if;
  execute format('select (%1$s)::timestamp at time zone ''UTC'' from %2$s r where %3$s and %1$s is not null order by %1$s limit 1',
    case nightshift.column_type(relation, (parse_ident(substr(rules.marker, 3)))[1]::name) when 'timestamptz'::regtype
      then format('%s at time zone ''UTC''', rules.marker) else rules.marker end, source, rules.deleted)
  into oldest;

  select p.* into policy from nightshift.retention_policies p where p.relation = deletion_stats.relation and p.enabled;
  if found then
    execute format('select count(*) from (select from %s r where (%s) is true and %s limit %s) n', source,
      nightshift.due_condition('r', relation, policy.drop_after - interval '7 days', policy.marker_column, policy.flag_column, as_of),
      rules.deleted, counted_at_most + 1)
    into due;
  end if;

  select jsonb_agg(jsonb_build_object('day', d.day, 'deleted', d.deleted, 'restored', d.restored) order by d.day), sum(d.deleted), sum(d.restored)
  into days, deleted_by_day, restored_by_day
  from (
    select g.day::date as day, coalesce(sum(e.rows) filter (where e.action = 'delete'), 0) as deleted,
      coalesce(sum(e.rows) filter (where e.action = 'restore'), 0) as restored
    from generate_series(0, 29) n
    cross join lateral (select (as_of at time zone 'UTC')::date - n as day) g
    left join (
      select (e.at at time zone 'UTC')::date as day, e.action, sum(e.rows) as rows
      from nightshift.deletion_events e
      where e.relation_name = any(names) and e.at >= as_of - interval '30 days' and e.at <= as_of and e.action in ('delete', 'restore')
      group by 1, 2
    ) e on e.day = g.day
    group by g.day
  ) d;
  return jsonb_build_object(
    'active', jsonb_build_object('rows', greatest(all_rows - deleted, 0), 'exact', all_exact and deleted_exact),
    'deleted', jsonb_build_object('rows', deleted, 'exact', deleted_exact),
    'oldestDeletedAt', oldest,
    'byDay', days,
    'restoreRate', round(restored_by_day::numeric / nullif(deleted_by_day, 0), 4),
    'dueNext7Days', case when due is not null then jsonb_build_object('rows', due, 'exact', due <= counted_at_most) end,
    'bytes', (select sum(pg_total_relation_size(l)) from nightshift.leaf_relations(relation) l)
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.deletion_stats is
  'Figures of a table with soft delete: {active, deleted: {rows, exact: counted, else estimated, as beyond 100,000}, oldestDeletedAt, byDay: the last 30 days of UTC, [{day, deleted, restored}], restoreRate: restored by deleted in these, null without any, dueNext7Days: {rows, exact}, those that are due by then by the retention policy, null without one, bytes: with indexes}. as_of: default now. Errors: NS404 soft delete is not enabled.';
