create or replace function nightshift.describe_vacuum_state(state nightshift.vacuum_state)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object(
      'table', s.name,
      'partitioned', s.kind = 'p',
      'reason', coalesce(s.reason, 'asked'),
      'detail', case coalesce(s.reason, 'asked')
        when 'freeze' then format('its oldest row is %s transactions or multixacts old', nightshift.figure(s.freeze_age))
        when 'purged' then format('a purge took rows from it, and %s are dead', nightshift.figure(s.dead_rows))
        when 'dead_rows' then format('%s dead and %s live rows', nightshift.figure(s.dead_rows), nightshift.figure(s.live_rows))
        when 'statistics' then case when s.kind = 'p'
          then 'autovacuum never analyzes a partitioned table'
          else format('%s rows changed since it was last analyzed', nightshift.figure(s.changed_rows)) end
        else format('it was asked for; %s dead and %s live rows', nightshift.figure(s.dead_rows), nightshift.figure(s.live_rows))
      end,
      'deadRows', s.dead_rows,
      'liveRows', s.live_rows,
      'freezeAge', s.freeze_age,
      'sizeBytes', (
        select sum(c.relpages::bigint) * current_setting('block_size')::bigint
        from pg_catalog.pg_class c
        where c.oid in (
          select s.relation
          union all select t.reltoastrelid from pg_catalog.pg_class t where t.oid = s.relation
          union all select i.indexrelid from pg_catalog.pg_index i where i.indrelid = s.relation
        )
      ),
      'statement', nightshift.vacuum_statement(s.relation) || ';',
      'schedule', format('select cron.schedule(%L, %L, %L);', 'vacuum ' || s.name, '0 3 * * *', nightshift.vacuum_statement(s.relation)),
      'mayVacuum', nightshift.may_vacuum(current_user, s.relation),
      'purged', s.purged_at is not null,
      'advice', case when s.purged_at is not null and s.kind = 'r'
        -- A setting of the server from Postgres 18 on.
        and coalesce(current_setting('vacuum_truncate', true), 'on') <> 'off'
        and not exists (
          select from pg_catalog.pg_class c
          cross join lateral pg_options_to_table(c.reloptions) o
          where c.oid = s.relation and o.option_name = 'vacuum_truncate' and not o.option_value::boolean
        )
        then format('alter table %s set (vacuum_truncate = false);', s.name) end
    )
    from (select (describe_vacuum_state.state).*) s
    where s.relation is not null
  );
end;
$$;

comment on function nightshift.describe_vacuum_state is
  'A table as a vacuum finds it: table, partitioned, reason (see vacuum_states; asked: not due), detail, deadRows, liveRows, freezeAge, sizeBytes (with TOAST and indexes, as of the last vacuum: to measure would wait for whoever has it locked), statement, schedule (the statement of Supabase Cron for it), mayVacuum, purged, advice (the statement that keeps autovacuum from giving the end of a purged table back, for which it locks out readers; null where that is so, or no purge was at it); null when it is gone.';
