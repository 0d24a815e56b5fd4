create or replace function nightshift.purge_outcomes(as_of timestamptz)
returns table (
  relation text, run_id uuid, day date, is_last_of_day boolean, started_at timestamptz, finished_at timestamptz, place bigint,
  step jsonb, purged bigint, residue bigint, is_exact boolean, stays bigint, failed boolean, stuck boolean
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with run as materialized (
    select r.id, (r.started_at at time zone 'UTC')::date as day, r.started_at, r.finished_at, r.input ? 'only' as of_some,
      row_number() over (partition by r.input ? 'only' order by r.started_at desc) as place,
      row_number() over (partition by r.input ? 'only', (r.started_at at time zone 'UTC')::date order by r.started_at desc) as place_in_day
    from nightshift.runs r
    where r.job = (select j.name from nightshift.jobs j where j.policies = 'nightshift.retention_policies'::regclass)
      and r.status in ('succeeded', 'partial', 'failed', 'continued') and not r.dry_run and r.report is not null
      and r.started_at > purge_outcomes.as_of - interval '30 days' and r.finished_at <= purge_outcomes.as_of
  ),
  step as (
    select n.*, s.value ->> 'relation' as relation, s.value as step, (s.value ->> 'rowsPurged')::bigint as purged, (s.value ->> 'rowsLeft')::bigint as rows_left,
      (s.value ->> 'rowsLeftExact')::boolean as is_exact, s.value ? 'error' as failed,
      coalesce((s.value ->> 'rowsBlocked')::bigint, 0) + coalesce((s.value ->> 'rowsRefused')::bigint, 0)
        + coalesce((s.value ->> 'rowsUndecided')::bigint, 0) as stays,
      coalesce((s.value ->> 'rowsKept')::bigint, 0) as kept, r.progress #> array['steps', s.value ->> 'relation'] as walk
    -- The last run of each day, and the last few, also of a few tables.
    from run n
    join nightshift.runs r on r.id = n.id
    cross join jsonb_array_elements(r.report -> 'steps') s
    where not n.of_some and n.place_in_day = 1 or n.place <= 5
  ),
  counted as (
    -- Of a table that could not be counted the report says 0, by which it does not mean none. It does mean none of a large table
    -- that a purge has walked to its end without meeting a due row that stays: see nightshift.nothing_left.
    select s.*, case when s.rows_left > 0 or s.is_exact or (
        s.step ->> 'status' = 'succeeded' and s.stays + s.kept = 0
        and s.walk -> 'cursor' = 'null' and (s.walk ->> 'rowsPassedOver')::bigint = 0
      ) then s.rows_left end as residue,
      row_number() over (partition by s.relation order by s.started_at desc) as place_of_step
    from step s
  )
  select c.relation, c.id, c.day, not c.of_some and c.place_in_day = 1, c.started_at, c.finished_at, c.place_of_step,
    case when c.place_of_step = 1 then c.step end, c.purged, c.residue, c.is_exact, c.stays, c.failed,
    c.failed or (c.purged = 0 and coalesce(c.residue, 0) > c.stays)
  from counted c;
$$;

comment on function nightshift.purge_outcomes is
  'What the reports of real purges of the last 30 days say of each table: of the last run of each day, and of the last five; place 1 is the newest, and has the step of the report. residue: rows left that are due, without those that the policy lets stay; null when they were not counted. stays: of these, rows that are needed, refused or not decided. stuck: it failed, or took none of the rows that it could have taken.';
