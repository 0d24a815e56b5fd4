create or replace function nightshift.view_of(policy nightshift.refresh_policies)
returns regclass
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(
      (select c.oid::regclass from pg_catalog.pg_class c where c.oid = policy.view and c.relkind = 'm'),
      (
        select v
        from nightshift.find_view(policy.view_name) v
        where not exists (
          select 1 from nightshift.refresh_policies o
          where o.view = v or o.view_name = policy.view_name and o.created_at > policy.created_at
        )
      )
    )
  );
end;
$$;

comment on function nightshift.view_of is
  'The view of a policy: the one it was declared for, whatever its name is now, or, when that is gone, the one that has taken its name. Null when there is neither.';
