create or replace function nightshift.list_retention_policies(as_of timestamptz default now(), budget_ms integer default 3000)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
set jit = off
as $$
declare
  -- Besides counting there is the catalog to read. The API ends a statement after 8 s, and with it what is known by then.
  stop_at constant timestamptz := clock_timestamp() + make_interval(secs => budget_ms / 1000.0 + 2);
  policy nightshift.retention_policies;
  policies integer := (select count(*) from nightshift.retention_policies);
  entry jsonb;
  entries jsonb := '[]';
  hint text;
  context text;
begin
  perform nightshift.follow_tables();
  for policy in select p.* from nightshift.retention_policies p order by p.relation::text loop
    entry := nightshift.describe_retention_policy(policy);
    begin
      if clock_timestamp() > stop_at then
        raise exception using errcode = 'NS424', message = 'The tables before it took all the time there was';
      end if;
      entry := entry
        || jsonb_build_object('warnings', nightshift.retention_warnings(policy.relation))
        || nightshift.measure_backlog(policy, as_of, least(300, budget_ms / policies));
      -- Undone, a look keeps no lock: on the partitions of all tables at once there may be more than there is room for.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then
        null;
      when sqlstate 'NS404' or sqlstate 'NS422' or sqlstate 'NS424' or insufficient_privilege or lock_not_available or out_of_memory then
        get stacked diagnostics hint = pg_exception_hint;
        entry := entry || jsonb_build_object('problem', nightshift.problem_of(policy.relation, sqlstate, sqlerrm, hint));
    end;
    entries := entries || entry;
  end loop;
  return entries;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.list_retention_policies is
  'Every policy with its backlog (dueRows of totalRows, oldestDueAt, overdueSeconds) and last purge, as one JSON array. A policy that no longer fits its table, or for which there was no time, carries problem (code, message, hint) instead. budget_ms: time for counting in all, default 3000; what does not fit is estimated and flagged.';
