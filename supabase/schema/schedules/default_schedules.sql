create or replace function nightshift.default_schedules()
returns table (name text, job text, cron text, input jsonb)
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  values
    ('partition-maintenance', 'partition-maintenance', '30 1 * * *', '{}'::jsonb),
    ('retention-purge', 'retention-purge', '0 2 * * *', '{}'),
    ('view-refresh', 'view-refresh', '30 2 * * *', '{}'),
    ('health-check', 'health-check', '*/5 * * * *', '{"quick": true}'),
    ('health-check-full', 'health-check', '2 5 * * *', '{}');
$$;

comment on function nightshift.default_schedules is
  'The schedules of a night, as the registrations of the jobs have them for EventBridge Scheduler; without table-vacuum, which needs a direct connection.';
