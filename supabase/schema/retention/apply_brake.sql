create or replace function nightshift.apply_brake(run nightshift.runs, rows_to_delete nightshift.row_set[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  excess text;
begin
  select b.excess into excess
  from (
    select c.policy, jsonb_object_agg(coalesce(c.child, p.relation)::text, c.n) as going, run.progress #> array['steps', p.relation::text] as step
    from nightshift.count_deleted(rows_to_delete) c
    join nightshift.retention_policies p on p.relation::oid = c.policy
    group by c.policy, p.relation
  ) g
  cross join lateral nightshift.brake(run, g.policy, nightshift.add_counts(g.going, nightshift.gone_of(g.policy, g.step))) b(excess)
  where b.excess is not null
  limit 1;
  perform nightshift.require_within_brake(excess);
end;
$$;

comment on function nightshift.apply_brake is
  'Raises NS428 when a batch would take a table past the max_fraction of its policy, counted from the start of the run.';
