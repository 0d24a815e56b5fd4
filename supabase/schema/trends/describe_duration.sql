create or replace function nightshift.describe_duration(job text, as_of timestamptz)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    with point as (
      select p.day, p.duration_ms from nightshift.daily_points('job', describe_duration.job, describe_duration.as_of, 120) p
      where p.duration_ms is not null
    ),
    newest as (
      select p.day, p.duration_ms from point p order by p.day desc limit 1
    ),
    usual as (
      select percentile_cont(0.5) within group (order by p.duration_ms) as ms
      from point p, newest n
      where p.day < n.day and p.day >= n.day - 28
    )
    select jsonb_build_object(
      'job', describe_duration.job,
      'lastMs', n.duration_ms,
      'usualMs', round(u.ms),
      'slowerSince', (
        select min(p.day) from point p
        where p.day > coalesce((select max(q.day) from point q where q.duration_ms <= 2 * u.ms), '-infinity') and u.ms is not null
      ),
      'daily', (
        select jsonb_build_object('days', jsonb_agg(p.day order by p.day), 'durationMs', jsonb_agg(p.duration_ms order by p.day))
        from point p
      )
    )
    from newest n
    cross join usual u
  );
end;
$$;

comment on function nightshift.describe_duration is
  'How long the longest whole run of a job took on each of the last 120 days, and against the 28 days before the last: lastMs, usualMs (their median; null: nothing to compare with), slowerSince (the first of the days, up to the last, on which it took more than twice that; null: it does not). Null for a job of which nothing was noted.';
