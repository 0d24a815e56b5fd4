-- The history of deletions and restores, also of those by a plain update. It is written here and nowhere else, so nobody can make it up.
-- Arguments of the trigger: the columns marker, flag (or ''), by, reason, operation.

create or replace function nightshift.record_deletions()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  deleted constant text := case tg_argv[1] when '' then format('r.%I is not null', tg_argv[0]) else format('r.%I is true', tg_argv[1]) end;
  rules nightshift.soft_delete_rules;
  deleted_after bigint;
  deleted_before bigint;
  part text;
begin
  if current_setting('nightshift.operation', true) is distinct from 'restore' then
    perform set_config('nightshift.show_deleted', case when current_setting('nightshift.operation', true) <> '' then 'on' else '' end, true);
  end if;
  execute format('select (select count(*) from after r where %1$s), (select count(*) from before r where %1$s)', deleted)
  into deleted_after, deleted_before;
  if deleted_after + deleted_before = 0
    -- A trigger that was copied to a table that nobody enabled is no reason to refuse its updates.
    or not exists (select from nightshift.soft_delete_tables t where t.relation = tg_relid)
  then
    return null;
  end if;
  rules := nightshift.soft_delete_rules(tg_relid, false);
  -- Fewer rows need not be sorted to be counted off.
  part := case when greatest(deleted_after, deleted_before) <= 10000 then '0'
    else format('(row_number() over (partition by r.%I) - 1) / 10000', tg_argv[4]) end;
  if deleted_after > 0 then
    execute format($query$
      insert into nightshift.deletion_events (operation, action, relation_name, rows, keys, actor, reason)
      select d.operation, 'delete', $1, count(*), jsonb_agg(d.key), max(d.actor), max(d.reason)
      from (
        select r.%1$I as operation, %2$s as key, r.%3$I::text as actor, r.%4$I as reason, %5$s as part
        from after r
        where %6$s and r.%1$I is not null%7$s
      ) d
      group by d.operation, d.part
      order by d.operation, d.part
    $query$, tg_argv[4], rules.key_value, tg_argv[2], tg_argv[3], part, deleted,
      case when deleted_before > 0 then format(' and not exists (select from (select %s from before r where %s) k where %s)',
        rules.key_order, deleted, rules.key_match) else '' end)
    using tg_relid::regclass::text;
  end if;
  if deleted_before > 0 then
    execute format($query$
      insert into nightshift.deletion_events (operation, action, relation_name, rows, keys, actor, reason)
      select d.operation, 'restore', $1, count(*), jsonb_agg(d.key), $2, $3
      from (
        select r.%1$I as operation, %2$s as key, %3$s as part
        from before r
        join (select %4$s from after r where not (%5$s)) k on %6$s
        where %5$s
      ) d
      group by d.operation, d.part
      order by d.operation, d.part
    $query$, tg_argv[4], rules.key_value, part, rules.key_order, deleted, rules.key_match)
    using tg_relid::regclass::text,
      coalesce(nullif(current_setting('nightshift.actor', true), ''), nightshift.calling_user(),
        nullif(current_setting('role'), 'none'), session_user),
      nullif(current_setting('nightshift.reason', true), '');
  end if;
  -- A plain update is a call of its own.
  perform nightshift.announce_changes(tg_relid);
  return null;
end;
$$;

comment on function nightshift.record_deletions is
  'Trigger of tables with soft delete: writes nightshift.deletion_events, for each statement and operation a row of 10,000 keys at most.';
