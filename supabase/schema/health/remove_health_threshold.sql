create or replace function nightshift.remove_health_threshold(check_name text, subject text default null)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
begin
  if not exists (select 1 from nightshift.health_checks c where c.name = remove_health_threshold.check_name) then
    raise exception using
      errcode = 'NS404',
      message = format('There is no health check %s', check_name),
      hint = (select 'Checks are: ' || string_agg(c.name, ', ' order by c.name) || '.' from nightshift.health_checks c);
  end if;
  delete from nightshift.health_thresholds t
  where t.check_name = remove_health_threshold.check_name
    and t.subject is not distinct from remove_health_threshold.subject;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('No threshold was set for %s', concat_ws(' of ', subject, check_name)),
      hint = 'select * from nightshift.health_thresholds; shows those that are, to the owner of the schema.';
  end if;
  return true;
end;
$$;

comment on function nightshift.remove_health_threshold is
  'Gives a check, or one subject of it, its own thresholds back. Returns true. Errors: NS404 when none were set.';
