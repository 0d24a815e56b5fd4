create or replace function nightshift.hold_at_once(
  run nightshift.runs,
  rows nightshift.row_set[],
  policies oid[],
  keys nightshift.purge_key[],
  max_rows integer
)
returns nightshift.held_row[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  share constant numeric := least(max_rows::numeric / nightshift.count_rows(rows), 1);
  first_rows constant nightshift.row_set[] := array(
    select row(r.policy, r.relation, r.due, r.tids[:ceil(share * cardinality(r.tids))])::nightshift.row_set from unnest(rows) r
  );
  due_rows constant nightshift.row_set[] := array(select r from unnest(first_rows) r where r.due);
  going_rows constant nightshift.row_set[] := array(select r from unnest(first_rows) r where r.due is not null);
  -- A row may go by another policy than that which says it is due, and that one may release what refers to it.
  certain constant nightshift.purge_key[] := array(
    select k from unnest(keys) k where k.key not in (select r.key from unnest(keys) r where r.role = 'release')
  );
  asked nightshift.purge_key[];
  staying text[];
begin
  with members as materialized (
    select m.*, array(select nightshift.related_tables(m.member)) as related,
      case when not m.is_child then format('(%s) is not true', nightshift.due_by_policy('x', p, run.started_at)) end as is_not_due
    from nightshift.policy_members(policies) m
    join nightshift.retention_policies p on p.relation::oid = m.policy
  )
  -- What may be the child of a row that goes, may go: of those that were reached, it is asked by itself.
  select array_agg(k), array_agg(coalesce(s.condition, 'true')) into asked, staying
  from unnest(certain) k
  cross join lateral (
    select string_agg(m.is_not_due, ' and ' order by m.policy), coalesce(bool_or(m.is_child), false)
    from members m where k.referencing::oid = any(m.related)
  ) s(condition, may_be_child)
  where not s.may_be_child;
  return nightshift.strongest_fates(
    array(
      select s
      from nightshift.spread_hold(
        going_rows,
        array(
          select f from nightshift.find_needed_rows(run.id, due_rows, '{}', asked, staying) f
          union all
          select row(u.policy, u.relation, t.tid, 'held', null)::nightshift.held_row
          from unnest(nightshift.find_unled_rows(run, array(select r from unnest(first_rows) r where r.due is null), policies, keys)) u
          cross join lateral unnest(u.tids) t(tid)
        ),
        certain
      ) s
    ),
    due_rows
  );
end;
$$;

comment on function nightshift.hold_at_once is
  'Of rows that are not all that would have to be looked at, the due ones that stay whatever else there is, because a row that is not due refers to them, or one that the run knows to stay, directly or not: each with the foreign keys found so far. max_rows: about so many are asked for, of each table those that were reached first.';
