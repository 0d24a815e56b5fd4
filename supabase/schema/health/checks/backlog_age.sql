-- Health check backlog_age: how long the oldest row of each retention policy has been due.
-- Why: whatever the ledger says, rows that are still there long after their time are rows that nothing deletes.
-- Locks: at run time ACCESS SHARE on the tables with a policy, for a moment.

create or replace function nightshift.health_backlog_age(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '3 seconds';
  steps constant jsonb := (
    select coalesce(jsonb_object_agg(p.relation, p.step), '{}')
    from nightshift.purge_steps(as_of, false, 10) p
    where p.place = 1
  );
  policy nightshift.retention_policies;
  step jsonb;
  oldest timestamptz;
  measure nightshift.health_measure;
begin
  for policy in
    select p.* from nightshift.retention_policies p
    -- A table that is gone is what policies_broken speaks of.
    where p.enabled and exists (select 1 from pg_catalog.pg_class c where c.oid = p.relation)
    order by p.relation::text
  loop
    measure := null;
    measure.subject := policy.relation::text;
    step := steps -> measure.subject;
    begin
      if clock_timestamp() > stop_at then
        raise exception using errcode = 'NS424', message = 'The tables before it took all the time there was',
          hint = 'select nightshift.list_retention_policies();';
      end if;
      perform nightshift.require_marker_index(policy);
      oldest := nightshift.oldest_due(policy, as_of);
      -- What was due before there was a policy has waited for nobody but its author.
      measure.value := case when oldest is null then 0
        else greatest(round(extract(epoch from as_of - greatest(oldest + policy.drop_after, policy.created_at))), 0) end;
      measure.detail := coalesce(to_char((oldest + policy.drop_after) at time zone 'UTC',
        '"The oldest row has been due since "YYYY-MM-DD HH24:MI" UTC."'), 'No row is due.');
      if oldest + policy.drop_after < policy.created_at then
        measure.detail := measure.detail || to_char(policy.created_at at time zone 'UTC',
          '" It counts from when the policy was declared, "YYYY-MM-DD HH24:MI" UTC."');
      end if;
      if oldest is not null and policy.last_purged_at is null then
        measure.detail := measure.detail || ' No purge has been here yet.';
      end if;
      if oldest is not null and nightshift.only_kept(step) then
        measure.value := 0;
        measure.detail := measure.detail || ' The last run left only what may stay, as the policy says.';
      end if;
      if oldest is not null and nightshift.only_needed(step) then
        measure.detail := measure.detail
          || format(' The last run left only what others still need, by %s.', nightshift.describe_needs(step));
        measure.info := 180000;
        measure.fix := nightshift.fix_of_step(step);
      end if;
      measure.fix := coalesce(measure.fix,
        format('%s --only %s', nightshift.run_by_hand('nightshift.retention_policies'), quote_literal(policy.relation)));
      -- Undone, a look keeps no lock: on the partitions of all tables at once there may be more than there is room for.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then
        null;
      when lock_not_available then
        measure.problem := 'Another session holds a lock on it.';
      when insufficient_privilege then
        measure.problem := format('%I may not read it.', current_user);
        measure.fix := format('grant select on %s to %I;', policy.relation, current_user);
      when sqlstate 'NS404' or sqlstate 'NS422' or sqlstate 'NS424' then
        get stacked diagnostics measure.problem = message_text, measure.fix = pg_exception_hint;
    end;
    return next measure;
  end loop;
end;
$$;

comment on function nightshift.health_backlog_age is
  'Seconds that the oldest due row of an enabled retention policy has been due, at most since the policy was declared; 0 when none is. Where the last run left only rows that foreign keys keep, that is information, and no warning. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'backlog_age',
  title => 'Age of what is due to be purged',
  healthy => 'No row is there long after its time.',
  why => 'Rows that are kept longer than was promised cost space, and perhaps more than that.',
  -- Two nights and two hours; a week.
  unit => 'seconds', warning => 180000, critical => 604800
);
