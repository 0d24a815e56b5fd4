-- plpgsql, because it is called for each of ten thousand partitions: an SQL function would be planned in each call.

create or replace function nightshift.health_level(value numeric, worse text, info numeric, warning numeric, critical numeric)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when case worse when 'lower' then value <= critical else value >= critical end then 'critical'
    when case worse when 'lower' then value <= warning else value >= warning end then 'warning'
    when case worse when 'lower' then value <= info else value >= info end then 'info'
    else 'ok'
  end;
end;
$$;

comment on function nightshift.health_level is 'The worst level whose threshold the value has reached; a null threshold is never reached.';
