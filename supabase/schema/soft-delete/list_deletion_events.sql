create or replace function nightshift.list_deletion_events(
  relation regclass default null,
  since timestamptz default null,
  max_events integer default 100,
  before bigint default null
)
returns setof jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
-- Planned for what is asked, it reads only the months that are asked for.
set plan_cache_mode = force_custom_plan
as $$
declare
  context text;
begin
  return query
    select jsonb_build_object('id', e.id, 'at', e.at, 'operation', e.operation, 'action', e.action, 'relation', e.relation_name,
      'rows', e.rows, 'keys', e.keys, 'actor', e.actor, 'reason', e.reason, 'details', e.details)
    from nightshift.deletion_events e
    where (list_deletion_events.relation is null or e.relation_name = list_deletion_events.relation::text)
      and (since is null or e.at >= since)
      and (before is null or e.id < before)
    order by e.id desc
    limit least(greatest(coalesce(max_events, 100), 1), 1000);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.list_deletion_events is
  'What was deleted, restored and purged, and what could not be restored, newest first: {id, at, operation, action, relation, rows, keys, actor, reason, details}, of one table or all, since a moment, max_events (default 100, 1,000 at most). before: the id of the last one of the page before.';
