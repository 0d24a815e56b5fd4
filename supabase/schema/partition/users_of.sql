create or replace function nightshift.users_of(relation oid)
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
    left join pg_catalog.pg_constraint k on d.classid = 'pg_catalog.pg_constraint'::regclass and k.oid = d.objid
    cross join lateral (
      select case when w.oid is not null then pg_describe_object('pg_catalog.pg_class'::regclass, w.ev_class, 0)
        else pg_describe_object(d.classid, d.objid, 0) end
    ) u(name)
    where d.refclassid = 'pg_catalog.pg_class'::regclass
      and d.refobjid = users_of.relation
      and d.deptype = 'n'
      and (
        w.ev_class <> users_of.relation
        -- Copies of a key that refers to the partitioned table go when the partition does.
        or k.conrelid <> users_of.relation and k.conparentid = 0
        or d.classid = 'pg_catalog.pg_proc'::regclass
      )
  );
end;
$$;

comment on function nightshift.users_of is
  'What reads or needs a table by its name, for which it cannot be dropped: views, functions, foreign keys of other tables; null for nothing.';
