create or replace function nightshift.measure_retention_backlog(
  run_id uuid,
  fence bigint,
  relation text,
  again boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '2s'
set lock_timeout = '1s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  policy nightshift.retention_policies;
  by_leaf boolean;
  nothing_due boolean;
  backlog jsonb := run.progress #> array['backlogs', measure_retention_backlog.relation];
  context text;
begin
  select p.* into policy from nightshift.retention_policies p
  where p.relation = nightshift.find_relation(measure_retention_backlog.relation);
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no retention policy', measure_retention_backlog.relation),
      hint = 'It was removed, or its table dropped or renamed, since the run began.';
  end if;
  if again then
    return coalesce(nightshift.nothing_left(run, policy), nightshift.measure_backlog(policy, run.started_at));
  end if;
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
      coalesce(r.progress -> 'backlogs', '{}') || jsonb_build_object(measure_retention_backlog.relation, backlog)
    )
    where r.id = run.id;
  end if;
  return backlog || jsonb_build_object(
    'warnings', nightshift.retention_warnings(policy.relation),
    'keys', nightshift.describe_holding_keys(policy.relation, array(
      select s::oid from jsonb_array_elements_text(run.progress -> 'scope') s
    ))
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.measure_retention_backlog is
  'The backlog of one policy as of the start of the run: dueRows, totalRows, their Exact flags, oldestDueAt, overdueSeconds; of each table of children, estimates of totalRows and of how many of them refer to due rows; and assess: whether so much would go that the brake has to be asked with purge_batch first. Measured once and kept in the ledger, so that a continued run knows what it began with; again measures what is left now. Very many due rows of a table over 32 MB are only estimated, unless it comes near the limit of the brake; and there a purge that has met no row which stays knows that none is left. Besides: warnings, and keys (see describe_holding_keys), which are looked up anew each time. statement_timeout 2 s: right after a large purge the index is full of dead entries. Errors: NS404, NS409, NS422.';
