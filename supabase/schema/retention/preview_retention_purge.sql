create or replace function nightshift.preview_retention_purge(as_of timestamptz default now(), budget_ms integer default 4000)
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
  policies oid[];
  -- None is under way: what the brake asks of one.
  run nightshift.runs;
  entry jsonb;
  entries jsonb := '[]';
  hint text;
  context text;
begin
  perform nightshift.follow_tables();
  policies := array(select p.relation::oid from nightshift.retention_policies p);
  for policy in
    select p.*
    from nightshift.retention_policies p
    left join nightshift.purge_order(array(select e.relation::oid from nightshift.retention_policies e where e.enabled)) o
      on o.policy = p.relation::oid
    order by o.position, p.relation::text
  loop
    entry := nightshift.describe_retention_policy(policy);
    begin
      if policy.enabled and clock_timestamp() > stop_at then
        raise exception using errcode = 'NS424', message = 'The tables before it took all the time there was';
      end if;
      if policy.enabled then
        entry := entry || jsonb_build_object('warnings', nightshift.retention_warnings(policy.relation))
          || nightshift.measure_backlog(policy, as_of, least(300, budget_ms / 4 / cardinality(policies)));
        entry := entry || nightshift.measure_references(
          policy, (entry ->> 'dueRows')::bigint, as_of, budget_ms * 3 / 4 / cardinality(policies));
        run.progress := jsonb_build_object('backlogs', jsonb_build_object(policy.relation::text, entry));
        entry := entry || jsonb_build_object('refusal', case when not (entry ->> 'goesAtMost')::boolean
          then nightshift.brake(run, policy.relation, jsonb_build_object(policy.relation::text, entry -> 'goes')) end);
      end if;
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

comment on function nightshift.preview_retention_purge is
  'What a purge would do, without a run: each policy as list_retention_policies has it, in the order of their turns, with goes (how many due rows nobody holds) and keys (who refers to them, and what becomes of those rows), as measure_references estimates them, and refusal: what the brake would say of that many rows of the table, null for nothing, or where it may be fewer. A policy that no longer fits its table, or for which there was no time, carries problem instead (code, message, hint), one that is switched off neither. budget_ms: time for counting in all, default 4000.';
