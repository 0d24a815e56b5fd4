create or replace function nightshift.brake(run nightshift.runs, doomed nightshift.row_set[], scope oid[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  excess record;
begin
  select g.relation, g.gone, g.going, floor(g.max_fraction * g.total) as allowed into excess
  from (
    select
      p.relation, p.max_fraction,
      coalesce((run.progress #>> array['steps', p.relation::text, 'rowsPurged'])::bigint, 0) as gone,
      sum(cardinality(d.tids)) as going,
      (run.progress #>> array['backlogs', p.relation::text, 'totalRows'])::numeric as total
    from unnest(doomed) d
    cross join lateral nightshift.covering_policy(d.relation, scope) p
    group by p.relation, p.max_fraction
  ) g
  where g.gone + g.going > g.max_fraction * g.total
  limit 1;
  if found then
    raise exception using
      errcode = 'NS428',
      message = format('%s would lose more of its rows than max_fraction allows', excess.relation),
      detail = format('%s are gone in this run, %s more would go now, %s are allowed. This batch deleted nothing.',
        excess.gone, excess.going, excess.allowed),
      hint = 'The policy or the rows changed since the run began. Look with a dry run; then force, or raise max_fraction.';
  end if;
end;
$$;

comment on function nightshift.brake is
  'Raises NS428 when a batch would take a table past the max_fraction of its policy, counted from the start of the run.';
