create or replace function nightshift.nothing_left(run nightshift.runs, policy nightshift.retention_policies)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Below 32 MB it is quick to count what is left, with rows that others have moved behind the walk.
  counted_pages constant integer := 4096;
  step constant jsonb := run.progress #> array['steps', policy.relation::text];
begin
  if step -> 'cursor' = 'null'
    and (step ->> 'rowsPassedOver')::bigint = 0
    and (step ->> 'rowsBlocked')::bigint + (step ->> 'rowsKept')::bigint
      + (step ->> 'rowsRefused')::bigint + (step ->> 'rowsUndecided')::bigint = 0
    and not exists (select from nightshift.purge_pending p where p.run_id = run.id and p.turn = policy.relation::oid)
    and nightshift.pages_of(policy.relation) > counted_pages
  then
    return jsonb_build_object(
      'dueRows', 0,
      'dueRowsExact', false,
      'totalRows', greatest(
        (run.progress #>> array['backlogs', policy.relation::text, 'totalRows'])::bigint - (step ->> 'rowsPurged')::bigint, 0),
      'totalRowsExact', false,
      'oldestDueAt', null,
      'overdueSeconds', null
    );
  end if;
  return null;
end;
$$;

comment on function nightshift.nothing_left is
  'The backlog of a policy whose large table a purge has walked to its end without meeting a due row that stays; null when there may be some left to be counted. What the purge knows costs nothing, and the index is full of dead entries then.';
