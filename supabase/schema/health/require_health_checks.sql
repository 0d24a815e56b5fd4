create or replace function nightshift.require_health_checks(names text[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  unknown text;
begin
  select string_agg(o, ', ') into unknown
  from unnest(names) o
  where not exists (select 1 from nightshift.health_checks c where c.name = o);
  if unknown is not null then
    raise exception using
      errcode = 'NS404',
      message = format('There is no health check %s', unknown),
      hint = (select 'Checks are: ' || string_agg(c.name, ', ' order by c.name) || '.' from nightshift.health_checks c);
  end if;
end;
$$;

comment on function nightshift.require_health_checks is 'Raises NS404, with the checks that there are, for names that are none.';
