create or replace function nightshift.deletion_operation(given uuid)
returns uuid
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  role_name constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  caller constant text := coalesce(nightshift.calling_user(), role_name);
  context text;
begin
  if given is null then
    return nightshift.start_operation();
  end if;
  -- The time of its rows is in its id: an old one would be purged early.
  if nightshift.operation_time(given) not between clock_timestamp() - interval '1 day' and clock_timestamp() then
    raise exception using
      errcode = 'NS422',
      message = format('%s is not an operation of the last day', given),
      hint = 'Pass the operation that the first call returned, or leave it out to begin a new one.';
  end if;
  -- Whoever restores theirs would bring back rows of others with them.
  if quote_ident(role_name)::regrole in (select nightshift.api_roles()) and exists (
    select from nightshift.deletion_events e
    where e.operation = given and e.action = 'delete' and e.at > clock_timestamp() - interval '2 days' and e.actor is distinct from caller
  ) then
    raise exception using
      errcode = 'NS403',
      message = format('Operation %s is not one of your own', given),
      hint = 'Leave it out to begin a new one, or pass the one that soft_delete or start_operation returned to you.';
  end if;
  return given;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.deletion_operation is
  'The operation to delete by: the one given, or a new one. Errors: NS422 it is not of the last day, NS403 somebody else has deleted rows by it, and a user asks.';
