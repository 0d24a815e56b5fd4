create or replace function nightshift.read_as_caller(relation oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select string_agg(distinct u.name, ', ')
    from pg_catalog.pg_depend d
    left join pg_catalog.pg_rewrite w on d.classid = 'pg_catalog.pg_rewrite'::regclass and w.oid = d.objid
    left join pg_catalog.pg_class v on v.oid = w.ev_class and v.relkind = 'v' and exists (
      select 1 from pg_options_to_table(v.reloptions) o where o.option_name = 'security_invoker' and o.option_value::boolean
    )
    cross join lateral (
      select case when v.oid is not null then format('view %s', v.oid::regclass)
        when d.classid = 'pg_catalog.pg_policy'::regclass then pg_describe_object(d.classid, d.objid, 0) end
    ) u(name)
    where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = read_as_caller.relation
  );
end;
$$;

comment on function nightshift.read_as_caller is
  'The row level security policies, and the views with security_invoker, that read a relation with the rights of whoever asks, and fail for who may not; null for none. What functions read is not in the catalog.';
