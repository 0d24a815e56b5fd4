create or replace function nightshift.require_few_due(policy nightshift.partition_policies, state nightshift.partition_state, run nightshift.runs)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  refusal text := nightshift.why_not_retire_so_many(policy, cardinality(state.due), state.begun_partitions);
begin
  if refusal is not null and not coalesce((run.input ->> 'force')::boolean, false) then
    raise exception using
      errcode = 'NS428',
      message = refusal,
      detail = format('None of %s was retired.', policy.parent),
      hint = format(
        'If it is meant: POST /jobs/partition-maintenance/runs with %s, or raise max_fraction with nightshift.alter_partition_policy. Room ahead is made all the same.',
        jsonb_build_object('only', jsonb_build_array(policy.parent::text), 'force', true)
      );
  end if;
end;
$$;

comment on function nightshift.require_few_due is
  'The brake: raises NS428 when a run would retire more than max_fraction of the partitions that have begun, unless it was given force.';
