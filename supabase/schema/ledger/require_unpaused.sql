create or replace function nightshift.require_unpaused()
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if (select s.paused from nightshift.settings s) then
    raise exception using
      errcode = 'NS428',
      message = 'Nightshift is paused',
      hint = 'select nightshift.unpause(); lets jobs run again.';
  end if;
end;
$$;

comment on function nightshift.require_unpaused is 'Raises NS428 while Nightshift is paused.';
