-- The times of a run are those of the database's clock, for whoever is neither the owner nor service_role.
-- Why: begin_run and resume_run take as_of and lease_seconds. No argument makes a row or a partition due early, but a run
--      that began in the future would hold its lease for years after the token that began it was taken back.
-- Locks: SHARE ROW EXCLUSIVE on nightshift.runs for a moment.

create or replace function nightshift.keep_time()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  longest_lease constant interval := '15 minutes';
begin
  if caller = 'service_role' or pg_has_role(caller, (
    select n.nspowner from pg_catalog.pg_namespace n where n.nspname = 'nightshift'
  ), 'usage') then
    return new;
  end if;
  if new.lease > longest_lease
    -- A clock may be set back by a little between two calls.
    or greatest(new.started_at, new.heartbeat_at, new.finished_at) > clock_timestamp() + interval '1 minute'
    or (tg_op = 'INSERT' and new.started_at < now())
  then
    raise exception using
      errcode = 'NS422',
      message = format('%s cannot set the time of a run, nor a lease of more than %s', caller, longest_lease),
      hint = 'Leave as_of and lease_seconds out.';
  end if;
  return new;
end;
$$;

comment on function nightshift.keep_time is
  'Trigger of nightshift.runs: refuses times that are not those of the clock, and leases of more than 15 minutes, from callers who are neither the owner of the schema nor service_role. Errors: NS422.';

create or replace trigger keep_time before insert or update of status on nightshift.runs
for each row execute function nightshift.keep_time();
