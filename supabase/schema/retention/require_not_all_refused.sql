create or replace function nightshift.require_not_all_refused(relation regclass, step jsonb, finished boolean)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Fewer may be all that are due.
  fewest constant integer := 32;
  -- Rows that may never go are the oldest ones, and come first every night: many of them are no reason to leave the others.
  most constant integer := 10000;
  refused constant bigint := step ->> 'rowsRefused';
  refuser text;
begin
  if (step ->> 'rowsPurged')::bigint > 0 or refused < (case when finished then fewest else most end) then
    return;
  end if;
  select r.key into refuser from jsonb_each_text(step -> 'refusedBy') r order by r.value::bigint desc, r.key limit 1;
  raise exception using
    errcode = 'NS422',
    message = format('No row of %s could be deleted: %s of them were refused, most by %s', relation, refused, refuser),
    detail = 'The last batch was rolled back, with whatever the trigger did.',
    hint = 'A BEFORE DELETE trigger that turns deletes into soft deletes must let rows go that are soft-deleted already; current_setting(''nightshift.run_id'', true) tells it that a purge deletes. To see what it says, delete one of the due rows by hand, its children first.';
end;
$$;

comment on function nightshift.require_not_all_refused is
  'Raises NS422 when nothing of a table went and it is not single rows that cannot go: at the end of its turn, and before it after very many of them.';
