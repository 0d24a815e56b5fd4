-- Whoever may not see a row learns nothing of it from what a deletion or a restore is made of: the calls themselves have looked what
-- their caller may change, before they ask further.

create or replace function nightshift.require_call(function_name name)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('nightshift.show_deleted', true) is distinct from 'on' then
    raise exception using
      errcode = 'NS403',
      message = format('%I is part of a deletion or a restore', function_name),
      hint = 'Call nightshift.soft_delete, nightshift.restore or one of their plans.';
  end if;
end;
$$;

comment on function nightshift.require_call is
  'Raises NS403 unless a deletion, a restore or a plan of one is under way: for functions that users execute as a part of these, and that see all rows.';
