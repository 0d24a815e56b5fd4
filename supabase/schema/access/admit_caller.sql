-- Counts attempts at the status page, so that nobody guesses tokens or floods the ledger.
-- Locks: an advisory lock on the action, for moments.

create or replace function nightshift.admit_caller(action text, caller text)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
set jit = off
as $$
declare
  -- Nobody logs in ten times in a quarter of an hour. There is no limit for all together, with which anybody could lock out everybody.
  most constant integer := case action when 'login' then 10 else 60 end;
  admitted boolean;
begin
  if action is null or action not in ('login', 'steer') or caller is null or length(caller) > 100 then
    raise exception using
      errcode = 'NS422',
      message = 'admit_caller takes login or steer, and a caller of at most 100 characters',
      hint = 'The status page calls it: nightshift.admit_caller(''login'', <digest of the address>).';
  end if;
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('nightshift.admit_caller:' || action, 0));
  delete from nightshift.admissions a where a.admitted_at < now() - interval '15 minutes';
  select count(*) < most into admitted
  from nightshift.admissions a
  where a.action = admit_caller.action and a.caller = admit_caller.caller;
  if admitted then
    insert into nightshift.admissions (action, caller) values (admit_caller.action, admit_caller.caller);
  end if;
  return admitted;
end;
$$;

comment on function nightshift.admit_caller is
  'Whether someone may try once more, which counts as a try. action: login (10 tries in a quarter of an hour from one address) or steer (60). caller: a digest of the address. Errors: NS422.';
