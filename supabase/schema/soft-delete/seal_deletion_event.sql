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
  new.sealed := (nightshift.use_secret('encrypt',
    convert_to(jsonb_build_object('keys', new.keys, 'reason', new.reason)::text, 'UTF8'), secret_name)).result;
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
