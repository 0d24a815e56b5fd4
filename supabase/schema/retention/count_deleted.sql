create or replace function nightshift.count_deleted(deleted nightshift.row_set[])
returns table (policy oid, child regclass, n bigint)
language plpgsql
stable
rows 5
set search_path = pg_catalog, pg_temp
as $$
begin
  if cardinality(deleted) = 0 then
    return;
  end if;
  return query
  with sets as (
    select d.*, count(*) over (partition by d.relation) as sets_of_relation from unnest(deleted) d
  ),
  counted as (
    -- A row that may go for two reasons counts once: as due, where it is.
    select distinct on (s.relation, t.tid) s.policy, s.relation, s.due
    from sets s cross join lateral unnest(s.tids) t(tid)
    where s.sets_of_relation > 1
    order by s.relation, t.tid, s.due desc, s.policy
  ),
  grouped as (
    select c.policy, c.relation, c.due, count(*) as n from counted c group by c.policy, c.relation, c.due
    union all
    select s.policy, s.relation, s.due, cardinality(s.tids) from sets s where s.sets_of_relation = 1
  ),
  children as materialized (
    select m.policy, m.member, array(select nightshift.related_tables(m.member)) as related
    from nightshift.policy_members(array(select distinct g.policy from grouped g where not g.due)) m
    where m.is_child
  )
  select g.policy, m.member, sum(g.n)::bigint
  from grouped g
  left join lateral (
    select c.member from children c where c.policy = g.policy and not g.due and g.relation = any(c.related) limit 1
  ) m on true
  group by g.policy, m.member;
end;
$$;

comment on function nightshift.count_deleted is
  'How many rows go by each policy: of its own table (child is null), and of each table of children.';
