create or replace function nightshift.preview_retirement(run_id uuid, fence bigint, table_name text)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set lock_timeout = '1s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  policy nightshift.partition_policies;
  state nightshift.partition_state;
  context text;
begin
  select p.* into policy from nightshift.partition_policies p where p.parent = nightshift.find_relation(table_name);
  perform nightshift.check_partition_policy(policy);
  perform nightshift.require_trusted_keys(policy.parent);
  state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  return (
    select coalesce(jsonb_agg(jsonb_build_object('partition', d.partition::regclass::text, 'reason', w.reason) order by d.position), '[]')
    from unnest(state.due) with ordinality d(partition, position)
    cross join lateral nightshift.why_not_retire(policy, d.partition) w(reason)
    where w.reason is not null
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.preview_retirement is
  'For a dry run: the due partitions of a table that a run would not retire, [{partition, reason}]. Errors: NS409, 55P03.';
