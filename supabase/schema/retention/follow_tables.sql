create or replace function nightshift.follow_tables()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A database that has run full is read-only, and is looked at all the same.
  if current_setting('transaction_read_only')::boolean then
    return;
  end if;
  update nightshift.retention_policies p
  set relation_name = c.oid::regclass::text
  from pg_catalog.pg_class c
  where c.oid = p.relation and p.relation_name is distinct from c.oid::regclass::text
    -- Where another table has taken its name, nobody knows yet for which of them the policy is (warn_of_namesake).
    and not exists (
      select from pg_catalog.pg_class n where n.oid = nightshift.find_relation(p.relation_name) and n.relkind in ('r', 'p')
    );

  update nightshift.retention_policies p
  set relation = anew.oid
  from (
    -- Where two policies had the same name in turn, the later one.
    select distinct on (g.relation_name) g.relation, c.oid
    from nightshift.retention_policies g
    join pg_catalog.pg_class c on c.oid = nightshift.find_relation(g.relation_name) and c.relkind in ('r', 'p')
    where not exists (select 1 from pg_catalog.pg_class l where l.oid = g.relation)
      and not exists (
        select 1 from nightshift.retention_policies o
        where o.relation = c.oid
          or o.relation in (select a.relid from pg_catalog.pg_partition_ancestors(c.oid) a(relid))
          or c.oid in (select a.relid from pg_catalog.pg_partition_ancestors(o.relation) a(relid))
      )
    order by g.relation_name, g.created_at desc
  ) anew
  where p.relation = anew.relation;
end;
$$;

comment on function nightshift.follow_tables is
  'Notes the present name of every table that has a retention policy, unless another has taken the former one, and lets a policy whose table is gone follow it to the one that was created anew under that name.';
