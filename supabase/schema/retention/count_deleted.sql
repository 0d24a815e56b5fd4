create or replace function nightshift.count_deleted(deleted nightshift.row_set[])
returns table (policy oid, child regclass, n bigint)
language plpgsql
stable
rows 5
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with counted as (
    -- A row that may go for two reasons counts once: as due, where it is.
    select distinct on (d.relation, t.tid) d.policy, d.relation, d.due
    from unnest(deleted) d cross join lateral unnest(d.tids) t(tid)
    order by d.relation, t.tid, d.due desc, d.policy
  ),
  grouped as (
    select c.policy, c.relation, c.due, count(*) as n from counted c group by c.policy, c.relation, c.due
  )
  select g.policy, m.member, sum(g.n)::bigint
  from grouped g
  left join lateral (
    select m.member
    from nightshift.policy_members(array[g.policy]) m
    where m.is_child and not g.due and g.relation in (select nightshift.related_tables(m.member))
    limit 1
  ) m on true
  group by g.policy, m.member;
end;
$$;

comment on function nightshift.count_deleted is
  'How many rows go by each policy: of its own table (child is null), and of each table of children.';
