-- Health check days_until_full: when the database reaches its limit, if it goes on as in the last weeks.
-- Why: a threshold says that it is late; a date says how much time there is to do something.

create or replace function nightshift.health_days_until_full(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  this_day constant timestamptz := date_trunc('day', as_of, 'UTC');
  forecast record;
  growing text;
begin
  select f.* into forecast from nightshift.forecast_full(as_of) f;
  if forecast.state in ('growing', 'full') then
    select string_agg(format('%s by %s', g.subject, pg_size_pretty(g.growth)), ', ' order by g.growth desc)
    into growing
    from (
      select p.subject,
        max(p.bytes) filter (where p.at >= this_day - interval '1 day')
          - max(p.bytes) filter (where p.at < this_day - interval '7 days') as growth
      from nightshift.trend_points p
      where p.kind = 'table' and p.at <= as_of and p.at >= this_day - interval '8 days'
      group by p.subject
      order by growth desc nulls last
      limit 3
    ) g
    where g.growth > 0;
  end if;
  return query select
    format('database %I', current_database()),
    forecast.latest_days::numeric,
    case forecast.state
      when 'no limit' then 'Not known: nightshift.settings has no size_limit_bytes'
      when 'no history' then format('Not known yet: the sizes of %s whole days are noted of the last 28, after the last step, and it takes 14',
        forecast.points)
      else format('%s of %s (%s), %s%%; %s', pg_size_pretty(forecast.used_bytes), pg_size_pretty(forecast.limit_bytes),
        case forecast.limit_kind when 'disk' then 'of the disk' when 'plan' then 'of the plan' else 'for the database' end,
        forecast.used_percent,
        case forecast.state
          when 'room' then 'nothing is foretold below 60%'
          when 'not growing' then 'it has not grown lately, or would need more than a year'
          when 'full' then 'there is no room left'
          else format('in a straight line there is room for %s',
            case when forecast.latest_days is null
                then format('%s days at the faster pace of the last 7 and the last 28 days, and over a year at the slower', forecast.earliest_days)
              when forecast.latest_days = forecast.earliest_days then format('%s days', forecast.latest_days)
              else format('%s to %s days', forecast.earliest_days, forecast.latest_days) end)
        end) || coalesce('; grown most in a week: ' || growing, '')
    end,
    'select oid::regclass, pg_size_pretty(pg_total_relation_size(oid)) from pg_class '
      || 'where relkind in (''r'', ''m'') order by relpages desc limit 20;',
    null::numeric, null::numeric, null::numeric, null::text;
end;
$$;

comment on function nightshift.health_days_until_full is
  'Days until the database reaches settings.size_limit_bytes in a straight line, the later of what the last 7 and the last 28 days say: null while that is not known, or not foretold (see forecast_full). See nightshift.health_checks.';

select nightshift.declare_health_check(
  'days_until_full',
  title => 'Days until the database is full',
  healthy => 'By at least one of the last 7 and the last 28 days there is room for weeks, or nothing is foretold: nightshift trends says which.',
  why => 'At its limit the database becomes read-only, and a purge can free nothing any more: it has to run before.',
  unit => 'days', worse => 'lower', info => 30, warning => 14, critical => 3
);
