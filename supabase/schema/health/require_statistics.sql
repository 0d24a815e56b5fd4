create or replace function nightshift.require_statistics()
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not current_setting('track_activities')::boolean then
    raise exception using
      errcode = 'NS424',
      message = 'The server does not track what its sessions do',
      hint = 'alter system set track_activities = on; select pg_reload_conf();';
  end if;
  if not pg_has_role(current_user, 'pg_read_all_stats', 'usage') then
    raise exception using
      errcode = 'NS424',
      message = format('%I sees only its own sessions and statements', current_user),
      hint = format('grant pg_monitor to %I;', current_user);
  end if;
end;
$$;

comment on function nightshift.require_statistics is
  'Raises NS424 where Postgres would show only a part of the sessions and statements, which looks healthier than it is.';
