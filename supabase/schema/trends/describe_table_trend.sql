create or replace function nightshift.describe_table_trend(subject text, as_of timestamptz)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    with point as (
      select p.* from nightshift.daily_points('table', describe_table_trend.subject, describe_table_trend.as_of, 120) p
    )
    select jsonb_build_object(
      'table', describe_table_trend.subject,
      'growth', nightshift.describe_growth('table', describe_table_trend.subject, describe_table_trend.as_of),
      'rowsLeftSince', (
        select min(p.day) from point p
        where p.rows_left > 0
          and p.day > coalesce((select max(q.day) from point q where q.rows_left = 0), '-infinity')
      ),
      'daily', jsonb_build_object(
        'days', jsonb_agg(p.day order by p.day),
        'bytes', jsonb_agg(p.bytes order by p.day),
        'liveRows', jsonb_agg(p.live_rows order by p.day),
        'deadRows', jsonb_agg(p.dead_rows order by p.day),
        'rowsLeft', jsonb_agg(p.rows_left order by p.day)
      )
    )
    from point p
    having count(*) > 0
  );
end;
$$;

comment on function nightshift.describe_table_trend is
  'The last 120 days of one table, see describe_trends. Null for a table of which nothing was noted.';
