-- Keys and reasons are encrypted before they are written, whoever writes.
-- Without the secret a deletion goes on, and they are not written: the rows are still found by their operation, until they are
-- purged. To refuse would let the loss of a secret stop the application, and to write them in clear would tell what is not to be told.

create or replace function nightshift.seal_deletion_event()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  secret_name constant text := (select s.history_secret from nightshift.settings s);
begin
  if secret_name is null or new.sealed_with is not null or num_nonnulls(new.keys, new.reason) = 0 then
    return new;
  end if;
  begin
    new.sealed := nightshift.seal(jsonb_build_object('keys', new.keys, 'reason', new.reason), secret_name);
  exception
    when sqlstate 'NS404' or sqlstate 'NS422' or syntax_error_or_access_rule_violation or data_exception or external_routine_exception or external_routine_invocation_exception
      or cardinality_violation or feature_not_supported or object_not_in_prerequisite_state or plpgsql_error or internal_error
    then
      new.sealed := null;
  end;
  new.sealed_with := secret_name;
  new.keys := null;
  new.reason := null;
  return new;
end;
$$;

comment on function nightshift.seal_deletion_event is
  'Trigger of nightshift.deletion_events: where settings.history_secret says so, puts keys and reason into sealed, or leaves them out where they cannot be encrypted.';

create or replace trigger seal_deletion_event before insert on nightshift.deletion_events
for each row execute function nightshift.seal_deletion_event();
