-- Health check jobs_partial: how many runs of each job have left something undone, one after the other.
-- Why: one night may run out of time; a backlog that is never worked off is another matter. Rows that only foreign keys
--      keep are neither: nobody has to get up for them.
-- Locks: none.

create function nightshift.only_needed(step jsonb)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(
    not only_needed.step ? 'error'
      and (only_needed.step ->> 'rowsLeft')::bigint > 0
      and (only_needed.step ->> 'rowsLeft')::bigint = (only_needed.step ->> 'rowsBlocked')::bigint,
    false
  );
end;

comment on function nightshift.only_needed is
  'Whether, by the report of a purge, all rows that it left of a table are still needed by rows that stay.';

create function nightshift.describe_needs(step jsonb)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select string_agg(format('%s (%s)', k.key, k.value), ', ' order by k.value::bigint desc, k.key)
  from jsonb_each_text(describe_needs.step -> 'blockedBy') k;
end;

comment on function nightshift.describe_needs is 'The foreign keys that kept rows from a purge, and how many each.';

create function nightshift.describe_leftovers(report jsonb)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select string_agg(format('%s: %s', s.subject, s.why), '; ' order by s.place) filter (where s.place <= 3)
    || case when count(*) > 3 then format('; and %s more', count(*) - 3) else '' end
  from (
    select
      row_number() over (order by e.place) as place,
      coalesce(e.step ->> 'relation', e.step ->> 'view', e.step ->> 'table', 'a step') as subject,
      coalesce(
        e.step #>> '{error,message}',
        case
          when e.step ? 'relation' then (e.step ->> 'reason') || coalesce(' by ' || nightshift.describe_needs(e.step), '')
          when e.step ? 'view' then e.step ->> 'detail'
          when e.step ? 'table' then nullif(concat_ws(', ',
            case when e.step ->> 'missing' <> '0' then format('%s intervals without a partition', e.step ->> 'missing') end,
            case when e.step -> 'blocked' <> '[]' then format('%s not retired (%s)',
              jsonb_array_length(e.step -> 'blocked'), e.step #>> '{blocked,0,reason}') end,
            case when e.step #>> '{defaultPartition,rows}' <> '0' then format('%s rows in the default partition',
              e.step #>> '{defaultPartition,rows}') end
          ), '')
        end,
        e.step ->> 'status'
      ) as why
    from jsonb_path_query(
      describe_leftovers.report,
      '$.steps[*] ? (!(@.status == "succeeded" || @.status == "refreshed" || @.status == "skipped"))'
    ) with ordinality e(step, place)
  ) s;
end;

comment on function nightshift.describe_leftovers is
  'What a run left undone, by its report, in words: the first three tables or views, each with the reason; null when the report does not say.';

create function nightshift.health_jobs_partial(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select
    j.job,
    j.partial_in_row::numeric,
    case when j.partial_in_row = 0 then 'The last one left nothing.' else format('%s in a row. The last, of %s UTC, left %s',
      j.partial_in_row, to_char(p.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
      coalesce(nightshift.describe_leftovers(p.report), 'work undone, and its report does not say which.')) end,
    format('-- npm run nightshift -- run %s', j.job),
    case when p.needed then 1::numeric end, null::numeric, null::numeric, null::text
  from nightshift.job_states(health_jobs_partial.as_of) j
  left join lateral (
    select r.started_at, r.report,
      r.status = 'partial' and r.job = 'retention-purge' and coalesce((
        select bool_and(nightshift.only_needed(s))
        from jsonb_path_query(r.report, '$.steps[*] ? (@.status != "succeeded")') s
      ), false) as needed
    from nightshift.runs r
    where j.partial_in_row > 0 and r.job = j.job and r.status in ('partial', 'continued') and not r.dry_run and not r.input ? 'only'
      and r.started_at <= health_jobs_partial.as_of
    order by r.started_at desc
    limit 1
  ) p on true;
end;

comment on function nightshift.health_jobs_partial is
  'Runs of a job since the last one that succeeded that left something undone. A purge whose last run left only what foreign keys keep is worth no warning. See nightshift.health_checks.';

revoke all on function
  nightshift.only_needed, nightshift.describe_needs, nightshift.describe_leftovers, nightshift.health_jobs_partial
from public, anon, authenticated;

insert into nightshift.health_checks (name, title, healthy, why, unit, info, warning, quick) values (
  'jobs_partial',
  'Jobs that leave work undone',
  'Every job finished all of its work when it last ran.',
  'What a run leaves, the next one has to do as well; when none gets to the end, the rest is never done.',
  'times', 1, 2, true
);
