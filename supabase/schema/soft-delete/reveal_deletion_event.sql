create or replace function nightshift.reveal_deletion_event(id bigint)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
-- Called for each entry of a list, by a function that has its own statement planned anew.
set plan_cache_mode = force_generic_plan
as $$
declare
  event nightshift.deletion_events;
  content text;
  context text;
begin
  select e.* into event from nightshift.deletion_events e where e.id = reveal_deletion_event.id;
  if event.sealed_with is null then
    return case when event.id is not null then jsonb_build_object('keys', event.keys, 'reason', event.reason) end;
  end if;
  execute format('select %s($1, %s)',
    nightshift.extension_function('pgcrypto', 'pgp_sym_decrypt', 'bytea, text'), format(nightshift.history_secret(), '$2'))
  into content using event.sealed, event.sealed_with;
  return content::jsonb;
exception
  -- The secret is gone, or another has its name now.
  when sqlstate 'NS404' or sqlstate 'NS422' or syntax_error_or_access_rule_violation or data_exception or external_routine_exception or external_routine_invocation_exception
    or cardinality_violation or feature_not_supported or object_not_in_prerequisite_state or plpgsql_error or internal_error
  then
    return null;
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.reveal_deletion_event is
  'The keys and the reason of an entry of the history, {keys, reason}, also where they are encrypted; null when there is no such entry, or when the secret is gone or is another now. Nobody but the owner may execute it until it is granted, and whoever may is shown them by list_deletion_events.';
