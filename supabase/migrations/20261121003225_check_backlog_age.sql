-- Health check backlog_age: how long the oldest row of each retention policy has been due.
-- Why: whatever the ledger says, rows that are still there long after their time are rows that nothing deletes.
-- Locks: at run time ACCESS SHARE on the tables with a policy, for a moment.

create function nightshift.purge_steps(as_of timestamptz, scheduled boolean, max_runs integer)
returns table (relation text, place bigint, started_at timestamptz, step jsonb)
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select s.step ->> 'relation', row_number() over (partition by s.step ->> 'relation' order by r.started_at desc),
    r.started_at, s.step
  from (
    select n.started_at, n.report
    from nightshift.runs n
    where n.job = 'retention-purge' and n.status in ('succeeded', 'partial', 'failed', 'continued') and not n.dry_run
      and n.report is not null and n.finished_at <= purge_steps.as_of
      and (n.trigger = 'schedule' or not purge_steps.scheduled)
    order by n.started_at desc
    limit purge_steps.max_runs
  ) r
  -- Of a table that could not even be counted the report knows nothing.
  cross join lateral jsonb_path_query(r.report, '$.steps[*] ? (!(exists (@.error) && @.dueRows == 0))') s(step);
end;

comment on function nightshift.purge_steps is
  'What the reports of the last max_runs finished real purges say of each table; place 1 is the newest. scheduled: only those that a schedule began.';

create function nightshift.require_marker_index(policy nightshift.retention_policies)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  tables oid[] := array(select t.relid from pg_catalog.pg_partition_tree(policy.relation) t) || policy.relation::oid;
begin
  if exists (
    select 1
    from pg_catalog.pg_class c
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = policy.marker_column
    where c.oid = any(tables) and c.relpages > 1000 and c.relkind = 'r'
      and not exists (
        select 1 from pg_catalog.pg_index i
        where i.indrelid = c.oid and i.indisvalid and a.attnum = any(i.indkey)
      )
  ) then
    raise exception using
      errcode = 'NS422',
      message = format('No index serves %I of %s, and without one it would have to be read as a whole',
        policy.marker_column, policy.relation),
      hint = format('create index on %s (%I);', policy.relation, policy.marker_column);
  end if;
end;
$$;

comment on function nightshift.require_marker_index is
  'Raises NS422 where a look for rows by their marker would read a table, or a partition, of more than 1,000 pages as a whole.';

create function nightshift.oldest_due(policy nightshift.retention_policies, as_of timestamptz)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  due text := nightshift.due_by_marker(
    'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, as_of
  );
  left_alone oid[] := array(select t.partition from nightshift.partitions_to_retire(policy.relation, as_of) t);
  scans text[] := array[nightshift.scan_of(policy.relation)];
  scan text;
  found_at timestamptz;
  oldest timestamptz;
begin
  if left_alone <> '{}' then
    -- Each for itself: the way to the oldest row of the others would lead through all of those that are left alone.
    scans := array(
      select 'only ' || l.leaf from nightshift.all_leaf_relations(policy.relation) l(leaf)
      where l.leaf::oid <> all(left_alone)
    );
  end if;
  foreach scan in array scans loop
    -- With a lower bound the index is read from there on, past all the rows that say "never".
    execute format(
      'select r.%1$I%2$s from %3$s r where %4$s and r.%1$I > ''-infinity'' order by r.%1$I limit 1',
      policy.marker_column,
      case when nightshift.column_type(policy.relation, policy.marker_column) = 'timestamptz'::regtype
        then '' else '::timestamp at time zone ''UTC''' end,
      scan, due
    ) into found_at;
    oldest := least(oldest, found_at);
  end loop;
  return oldest;
end;
$$;

comment on function nightshift.oldest_due is
  'The marker of the oldest due row, by the index alone, or null; rows in partitions that wait for their retirement do not count.';

create function nightshift.health_backlog_age(as_of timestamptz)
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
      if oldest is not null and nightshift.only_needed(step) then
        measure.detail := measure.detail
          || format(' The last run left only what others still need, by %s.', nightshift.describe_needs(step));
        measure.info := 180000;
      end if;
      measure.fix := format('-- npm run nightshift -- run retention-purge --only %s', quote_literal(policy.relation));
    exception
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

revoke all on function
  nightshift.purge_steps, nightshift.require_marker_index, nightshift.oldest_due, nightshift.health_backlog_age
from public, anon, authenticated;

insert into nightshift.health_checks (name, title, healthy, why, unit, warning, critical) values (
  'backlog_age',
  'Age of what is due to be purged',
  'No row is there long after its time.',
  'Rows that are kept longer than was promised cost space, and perhaps more than that.',
  -- Two nights and two hours; a week.
  'seconds', 180000, 604800
);
