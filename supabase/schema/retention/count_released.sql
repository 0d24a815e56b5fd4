create or replace function nightshift.count_released(released nightshift.released_row[])
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(jsonb_object_agg(t.referencing::text, t.n), '{}')
    from (
      select c.conrelid::regclass as referencing, sum(r.n) as n
      from (select r.key, count(*) as n from unnest(released) r group by r.key) r
      join pg_catalog.pg_constraint c on c.oid = r.key
      group by c.conrelid
    ) t
  );
end;
$$;

comment on function nightshift.count_released is 'How many references were set to null or default, by the table that has them.';
