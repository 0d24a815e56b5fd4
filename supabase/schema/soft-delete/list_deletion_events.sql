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
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  may_reveal constant boolean := has_function_privilege(caller, 'nightshift.reveal_deletion_event(bigint)', 'EXECUTE');
  names constant text[] := nightshift.history_names(relation);
  context text;
begin
  return query
    select jsonb_build_object('id', e.id, 'at', e.at, 'operation', e.operation, 'action', e.action, 'relation', e.relation_name,
      'rows', e.rows, 'keys', c.content -> 'keys', 'actor', e.actor, 'reason', c.content -> 'reason', 'details', e.details,
      'sealed', c.content is null)
    from (
      select h.* from nightshift.deletion_events h
      where (list_deletion_events.relation is null or h.relation_name = any(names))
        and (since is null or h.at >= since)
        and (before is null or h.id < before)
      order by h.id desc
      limit least(greatest(coalesce(max_events, 100), 1), 1000)
    ) e
    cross join lateral (
      select case when e.sealed_with is null then jsonb_build_object('keys', e.keys, 'reason', e.reason)
        when may_reveal then nightshift.reveal_deletion_event(e.id) end
      -- So that it is opened once.
      offset 0
    ) c(content)
    order by e.id desc;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.list_deletion_events is
  'What was deleted, restored and purged, and what could not be restored, newest first: {id, at, operation, action, relation, rows, keys, actor, reason, details, sealed}, of one table or all, since a moment, max_events (default 100, 1,000 at most). before: the id of the last one of the page before. sealed: its keys and reason are encrypted, and not shown, since the caller may not execute nightshift.reveal_deletion_event, or the secret is gone.';
