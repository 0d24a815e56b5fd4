create or replace function nightshift.add_counts(a jsonb, b jsonb)
returns jsonb
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(jsonb_object_agg(s.key, s.total), '{}')
    from (
      select e.key, sum(e.value::bigint) as total
      from (select * from jsonb_each_text(add_counts.a) union all select * from jsonb_each_text(add_counts.b)) e
      group by e.key
    ) s
  );
end;
$$;

comment on function nightshift.add_counts is 'Adds two JSON objects of counts key by key.';
