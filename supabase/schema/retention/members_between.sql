create or replace function nightshift.members_between(
  members nightshift.row_set[],
  ends integer[],
  first integer,
  last integer,
  given_up integer[]
)
returns nightshift.row_set[]
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    select row(m.policy, m.relation, m.due, array_agg(distinct t.tid))::nightshift.row_set
    from generate_series(first, last) n
    cross join lateral unnest(members[coalesce(ends[n - 1], 0) + 1:ends[n]]) m
    cross join lateral unnest(m.tids) t(tid)
    where n <> all(given_up)
    group by m.policy, m.relation, m.due
  );
end;
$$;

comment on function nightshift.members_between is
  'What the due rows first to last of closures_of go with, but for those that are given up.';
