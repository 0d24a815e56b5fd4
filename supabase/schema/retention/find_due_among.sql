create or replace function nightshift.find_due_among(
  run nightshift.runs,
  scope oid[],
  leaf regclass,
  tids tid[],
  newer_than text default '-infinity'
)
returns tid[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
as $$
declare
  policy nightshift.retention_policies;
  due tid[];
begin
  select p.* into policy from nightshift.covering_policy(leaf, scope) p;
  if found then
    execute format(
      'select array_agg(r.ctid) from only %s r where r.ctid = any($1) and coalesce(%s and r.%I > %L, false)',
      nightshift.trusted_name(leaf),
      nightshift.due_condition('r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at),
      policy.marker_column, newer_than
    ) into due using tids;
  end if;
  return coalesce(due, '{}');
end;
$$;

comment on function nightshift.find_due_among is 'Those of tids that a policy of the run says are due, with a marker after newer_than.';
