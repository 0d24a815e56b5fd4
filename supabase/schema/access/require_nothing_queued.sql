create or replace function nightshift.require_nothing_queued()
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  stranger text;
begin
  -- A row that is written has a transaction id assigned. Nothing was queued without one.
  if pg_current_xact_id_if_assigned() is null or pg_has_role(caller, current_user, 'usage') then
    return;
  end if;
  select s.message into stranger
  from (select distinct t.tgrelid from pg_catalog.pg_trigger t where t.tgdeferrable) t
  cross join lateral nightshift.find_stranger(t.tgrelid) s
  where s.message is not null
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = 'The transaction has written something before this call',
      detail = format('A deferred trigger that it has queued would run with the rights of %I: %s.', current_user, stranger),
      hint = 'Call it at the beginning of a transaction.';
  end if;
end;
$$;

comment on function nightshift.require_nothing_queued is
  'Raises NS422 when the caller could have queued a deferred trigger of someone without the rights of the owner of these functions. Before Postgres 18, set constraints runs it with the rights of whoever says that, so each function that does asks this before it writes anything.';
