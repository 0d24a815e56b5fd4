-- Health check soft_deletes: how many rows were marked as deleted in the last hour.
-- Why: a script that went wrong is found while its rows can still be restored, and not when they are purged.
-- Tables with soft delete are counted from their history, exactly; of others with a policy the rows that are marked are.
-- Locks: at run time ACCESS SHARE on the history and on the other tables with a policy, for a moment.

create or replace function nightshift.health_soft_deletes(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '100ms'
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '3 seconds';
  policy nightshift.retention_policies;
  measure nightshift.health_measure;
begin
  for policy in
    select p.* from nightshift.soft_delete_policies() p
    -- A date does not say in which hour.
    where nightshift.column_type(p.relation, p.marker_column) <> 'date'::regtype
      and not exists (select from nightshift.soft_delete_tables t where t.relation = p.relation)
    order by p.relation::text
  loop
    measure := null;
    measure.subject := policy.relation::text;
    begin
      if clock_timestamp() > stop_at then
        raise exception using errcode = 'NS424', message = 'The tables before it took all the time there was';
      end if;
      perform nightshift.require_marker_index(policy);
      execute format(
        'select count(*) from (select from %s r where %s and r.%I >= %L limit 100000) n',
        nightshift.scan_of(policy.relation),
        nightshift.due_by_marker('r', policy.relation, '0', policy.marker_column, policy.flag_column, as_of),
        policy.marker_column, (as_of - interval '1 hour')::text
      ) into measure.value;
      measure.detail := format('%s in the hour before %s UTC; they can be restored for %s.',
        case when measure.value = 100000 then '100,000 or more' else nightshift.figure(measure.value) end,
        to_char(as_of, 'YYYY-MM-DD HH24:MI'), policy.drop_after);
      measure.fix := format(
        'select date_trunc(''minute'', %1$I) as minute, count(*) from %2$s '
        || 'where %1$I > now() - interval ''2 hours''%3$s group by 1 order by 1;',
        policy.marker_column, policy.relation, ' and ' || quote_ident(policy.flag_column));
      -- Undone, a look keeps no lock: on the partitions of all tables at once there may be more than there is room for.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then
        null;
      when lock_not_available then
        measure.problem := 'Another session holds a lock on it.';
      when insufficient_privilege then
        measure.problem := format('%I may not read it.', current_user);
        measure.fix := format('grant select on %s to %I;', policy.relation, current_user);
      when sqlstate 'NS404' or sqlstate 'NS422' or sqlstate 'NS424' then
        get stacked diagnostics measure.problem = message_text, measure.fix = pg_exception_hint;
    end;
    return next measure;
  end loop;

  return query
  select
    t.relation::text,
    coalesce(e.deleted_in_hour, 0),
    format('%s in the hour before %s UTC%s.', nightshift.figure(coalesce(e.deleted_in_hour, 0)), to_char(as_of, 'YYYY-MM-DD HH24:MI'),
        '; they can be restored for ' || p.drop_after::text)
      || format(' In the day before: %s deleted, %s restored, a rate of %s%%.', nightshift.figure(e.deleted), nightshift.figure(e.restored),
        coalesce(round(100 * e.restored / nullif(e.deleted, 0), 1), 0)),
    format('select nightshift.list_deletion_events(%L, since => now() - interval ''2 hours'');', t.relation::text),
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.soft_delete_tables t
  join pg_catalog.pg_class c on c.oid = t.relation
  left join nightshift.retention_policies p on p.relation = t.relation and p.enabled
  left join (
    select h.relation_name,
      sum(h.rows) filter (where h.action = 'delete' and h.at > as_of - interval '1 hour') as deleted_in_hour,
      coalesce(sum(h.rows) filter (where h.action = 'delete'), 0) as deleted,
      coalesce(sum(h.rows) filter (where h.action = 'restore'), 0) as restored
    from nightshift.deletion_events h
    where h.at > as_of - interval '1 day' and h.at <= as_of and h.action in ('delete', 'restore')
    group by h.relation_name
  ) e on e.relation_name = t.relation::text
  order by t.relation::text;
end;
$$;

comment on function nightshift.health_soft_deletes is
  'Rows deleted in the hour before as_of, by table: of tables with soft delete as their history has it, also what came back since; of others with a policy whose marker says that a row was deleted (see soft_delete_policies), rows that are marked, counted up to 100,000, and not where the marker is a date, which has no hours. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'soft_deletes',
  title => 'Rows deleted in the last hour',
  healthy => 'No more rows are being deleted than usual.',
  why => 'A script or a user that deletes by mistake is stopped while the rows can still be restored.',
  unit => 'count', warning => 100, quick => true
);
