create or replace function nightshift.measure_for_run(run nightshift.runs, relation text)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  policy constant nightshift.retention_policies := nightshift.policy_of_run(relation);
  by_leaf boolean;
  nothing_due boolean;
  backlog jsonb := run.progress #> array['backlogs', relation];
begin
  if backlog is null then
    backlog := nightshift.measure_backlog(policy, run.started_at, sample_due => not run.dry_run);
    by_leaf := (select count(*) > 32 from nightshift.partitions_below(policy.relation));
    if not (backlog ->> 'dueRowsExact')::boolean and not by_leaf and nightshift.may_exceed(run, policy, backlog) then
      backlog := nightshift.measure_backlog(policy, run.started_at);
    end if;
    -- What would go wrong is said before the work: a table that was not measured loses no row in this run.
    nothing_due := backlog @> '{"dueRows": 0, "dueRowsExact": true}';
    if not nothing_due then
      perform nightshift.require_no_sentinel(policy, case
        -- Of very many leaves a part says it: a time that stands for another is on rows of all.
        when (backlog ->> 'dueRowsExact')::boolean or by_leaf then (backlog ->> 'oldestDueAt')::timestamptz
      end);
    end if;
    if (backlog ->> 'dueRows')::bigint > 0 then
      perform nightshift.require_attached(array(select k from nightshift.purge_keys(array[policy.relation::oid]) k));
      perform nightshift.require_replica_identity(m.member) from nightshift.policy_members(array[policy.relation::oid]) m;
      if not nightshift.is_forced(run, policy.relation) then
        perform nightshift.require_referencing_indexes(m.member) from nightshift.policy_members(array[policy.relation::oid]) m;
      end if;
    end if;
    if nothing_due and not run.dry_run then
      -- There is nothing to walk through, so the first purge is over.
      update nightshift.retention_policies p set first_purge = null where p.relation = policy.relation and p.first_purge is not null;
    end if;
    backlog := backlog || jsonb_build_object('children', nightshift.measure_children(policy, run.started_at));
    backlog := backlog || jsonb_build_object('assess', nightshift.may_exceed(run, policy, backlog));
    update nightshift.runs r
    set progress = r.progress || jsonb_build_object(
      'backlogs',
      coalesce(r.progress -> 'backlogs', '{}') || jsonb_build_object(measure_for_run.relation, backlog)
    )
    where r.id = run.id;
  end if;
  return backlog || jsonb_build_object(
    'warnings', nightshift.retention_warnings(policy.relation),
    'keys', nightshift.describe_holding_keys(policy.relation, array(
      select s::oid from jsonb_array_elements_text(run.progress -> 'scope') s
    ))
  );
end;
$$;

comment on function nightshift.measure_for_run is
  'The backlog of one policy as of the start of a run, and what there is to say of its table: see measure_retention_backlog. Measured once and kept in the ledger.';
