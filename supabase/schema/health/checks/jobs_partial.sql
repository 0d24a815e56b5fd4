-- Health check jobs_partial: how many runs of each job have left something undone, one after the other.
-- Why: one night may run out of time; a backlog that is never worked off is another matter. Rows that only foreign keys
--      keep are neither: nobody has to get up for them.

create or replace function nightshift.health_jobs_partial(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    j.job,
    j.partial_in_row::numeric,
    case when j.partial_in_row = 0 then 'The last one left nothing.' else format('%s in a row. The last, of %s UTC, left %s',
      j.partial_in_row, to_char(p.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
      coalesce(nightshift.describe_leftovers(p.report), 'work undone, and its report does not say which.')) end,
    -- Another run is no fix for what a foreign key keeps.
    coalesce(nightshift.fix_of_leftovers(p.report), format('-- npm run nightshift -- run %s', j.job)),
    case when p.needed then 1::numeric end, null::numeric, null::numeric, null::text
  from nightshift.job_states(health_jobs_partial.as_of) j
  left join lateral (
    select r.started_at, r.report,
      r.status = 'partial' and coalesce((
        select bool_and(nightshift.only_needed(s))
        from jsonb_path_query(r.report, '$.steps[*] ? (@.status != "succeeded")') s
      ), false) as needed
    from nightshift.runs r
    where j.partial_in_row > 0 and r.job = j.job and r.status in ('partial', 'continued') and not r.dry_run and not r.input ?| array['only', 'reindex']
      and r.started_at <= health_jobs_partial.as_of
    order by r.started_at desc
    limit 1
  ) p on true;
end;
$$;

comment on function nightshift.health_jobs_partial is
  'Runs of a job since the last one that succeeded that left something undone. A purge whose last run left only what foreign keys keep is worth no warning. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'jobs_partial',
  title => 'Jobs that leave work undone',
  healthy => 'Every job finished all of its work when it last ran.',
  why => 'What a run leaves, the next one has to do as well; when none gets to the end, the rest is never done.',
  unit => 'times', info => 1, warning => 2, quick => true
);
