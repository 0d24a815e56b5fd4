create or replace function nightshift.sets_to_remember(run nightshift.runs, deleted nightshift.row_set[])
returns setof nightshift.row_set
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with policies as materialized (
    select array(select s::oid from jsonb_array_elements_text(run.progress -> 'scope') s) as scope
  ),
  tables as materialized (
    select d.relation, array(select nightshift.related_tables(d.relation)) as related
    from unnest(deleted) d group by d.relation
  ),
  keys as materialized (
    select distinct k.policy, k.role, k.key, k.referencing from policies p cross join lateral nightshift.purge_keys(p.scope) k
  ),
  members as materialized (
    select m.*, array(select nightshift.related_tables(m.member)) as related
    from policies p cross join lateral nightshift.policy_members(p.scope) m
  ),
  -- Where children refer to rows that may go as well, a batch of those comes to the children, and from them to what they go with.
  entangled as materialized (
    select distinct c.policy
    from members c
    where c.is_child and exists (
      select from keys k where k.role in ('hold', 'keep') and k.referencing::oid = any(c.related)
    )
  )
  select d.*
  from unnest(deleted) d
  join tables t on t.relation = d.relation
  cross join lateral (select count(distinct k.key) from keys k where k.referencing::oid = any(t.related)) k(n)
  cross join lateral (
    select count(*) filter (where m.is_child) > 0, count(*) filter (where not m.is_child) > 0
    from members m where m.member::oid = any(t.related)
  ) m(is_child, is_due)
  -- Rows that refer to nothing, or to one row only which they go with, are not met again.
  where k.n > 1 or m.is_due and (k.n = 1 or m.is_child or d.policy in (select e.policy from entangled e));
end;
$$;

comment on function nightshift.sets_to_remember is
  'Those of the rows that a dry run counts as gone and can meet again: from another row that they refer to, from a child, or on its way through the table.';
