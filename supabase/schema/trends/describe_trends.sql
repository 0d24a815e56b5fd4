create or replace function nightshift.describe_trends(as_of timestamptz default now(), only_table text default null)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set timezone = 'UTC'
as $$
declare
  yesterday constant timestamptz := date_trunc('day', as_of, 'UTC') - interval '1 day';
  tables text[];
begin
  if only_table is null then
    tables := array(
      select p.subject
      from nightshift.trend_points p
      where p.kind = 'table' and p.at <= as_of and p.at >= yesterday
      group by p.subject
      order by max(p.bytes) desc, p.subject
      limit 10
    );
  elsif exists (select from nightshift.trend_points p where p.kind = 'table' and p.subject = only_table and p.at <= as_of) then
    tables := array[only_table];
  else
    raise exception using
      errcode = 'NS404',
      message = format('Nothing was noted of a table %L', only_table),
      detail = 'The health check keeps the history of the 20 largest tables, and of those with a policy; a partition counts to its table.',
      hint = 'Write its name with its schema, as in public.orders; nightshift.describe_trends() names the largest.';
  end if;

  return jsonb_build_object(
    'asOf', as_of,
    'since', (select min(p.at) from nightshift.trend_points p where p.kind = 'database' and p.subject = ''),
    'database', (
      select jsonb_build_object(
        'growth', nightshift.describe_growth('database', '', as_of),
        'forecast', (
          select jsonb_build_object(
            'state', f.state, 'limitBytes', f.limit_bytes, 'limitKind', f.limit_kind, 'usedBytes', f.used_bytes,
            'walBytes', f.wal_bytes, 'usedPercent', f.used_percent, 'earliestDays', f.earliest_days, 'latestDays', f.latest_days
          )
          from nightshift.forecast_full(as_of) f
        ),
        'daily', jsonb_build_object(
          'days', coalesce(jsonb_agg(p.day order by p.day), '[]'),
          'bytes', coalesce(jsonb_agg(p.bytes order by p.day), '[]'),
          'connections', coalesce(jsonb_agg(p.connections order by p.day), '[]')
        )
      )
      from nightshift.daily_points('database', '', as_of, 120) p
    ),
    'tables', (
      select coalesce(jsonb_agg(d.document order by t.place) filter (where d.document is not null), '[]')
      from unnest(tables) with ordinality t(subject, place)
      cross join lateral (select nightshift.describe_table_trend(t.subject, as_of)) d(document)
    ),
    'jobs', (
      select coalesce(jsonb_agg(d.document order by j.name) filter (where d.document is not null), '[]')
      from nightshift.jobs j
      cross join lateral (select nightshift.describe_duration(j.name, as_of)) d(document)
    )
  );
end;
$$;

comment on function nightshift.describe_trends is
  'How the database, its 10 largest tables (or only_table) and the jobs have developed: {asOf, since, database: {growth, forecast, daily}, tables: [{table, growth, rowsLeftSince, daily}], jobs: [see describe_duration]}. daily: arrays of one length, one entry for each of the last 120 days with a figure: days and the highest figures of each. growth: see describe_growth; forecast: see forecast_full. Errors: NS404 for a table that nothing was noted of.';
