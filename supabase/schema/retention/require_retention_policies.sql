create or replace function nightshift.require_retention_policies(names text[])
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
  where not exists (
    select 1 from nightshift.retention_policies p where p.relation = nightshift.find_relation(o)
  );
  if unknown is not null then
    raise exception using
      errcode = 'NS404',
      message = format('No retention policy for: %s', unknown),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(p.relation::text, ', ' order by p.relation::text) from nightshift.retention_policies p), 'no table')),
      hint = 'Name tables as SQL does: with their schema, unless it is public, and in quotes where SQL needs them, like public."Product".';
  end if;
end;
$$;

comment on function nightshift.require_retention_policies is
  'Raises NS404, with the tables that have a retention policy, for names as SQL writes them that have none.';
