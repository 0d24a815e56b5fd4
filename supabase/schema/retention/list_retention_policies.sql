create or replace function nightshift.list_retention_policies(as_of timestamptz default now(), budget_ms integer default 3000)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
set jit = off
as $$
declare
  policy nightshift.retention_policies;
  policies integer := (select count(*) from nightshift.retention_policies);
  entry jsonb;
  entries jsonb := '[]';
begin
  perform nightshift.follow_tables();
  for policy in select p.* from nightshift.retention_policies p order by p.relation::text loop
    entry := nightshift.describe_retention_policy(policy);
    begin
      entry := entry
        || jsonb_build_object('warnings', nightshift.retention_warnings(policy.relation))
        || nightshift.measure_backlog(policy, as_of, least(300, budget_ms / policies));
      -- Undone, a look keeps no lock: on the partitions of all tables at once there may be more than there is room for.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then
        null;
      when sqlstate 'NS404' or sqlstate 'NS422' or insufficient_privilege or lock_not_available then
        entry := entry || jsonb_build_object('problem', jsonb_build_object('code', sqlstate, 'message', sqlerrm));
    end;
    entries := entries || entry;
  end loop;
  return entries;
end;
$$;

comment on function nightshift.list_retention_policies is
  'Every policy with its backlog (dueRows of totalRows, oldestDueAt, overdueSeconds) and last purge, as one JSON array. A policy that no longer fits its table carries problem instead. budget_ms: time for counting in all, default 3000; what does not fit is estimated and flagged.';
