create or replace function nightshift.rest_of_walk(
  run nightshift.runs,
  policy nightshift.retention_policies,
  leaf regclass,
  cursor jsonb,
  step jsonb
)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
set row_security = off
as $$
declare
  counted constant bigint := (run.progress #>> array['backlogs', policy.relation::text, 'dueRows'])::bigint;
  cutoff constant timestamptz := least(run.started_at, now()) - policy.drop_after;
  plan jsonb;
begin
  if counted is null then
    return null;
  end if;
  -- By the two bounds alone: for the inequality of due_by_marker, Postgres takes off the rows without a marker once more, which
  -- are nearly all where rows are deleted softly.
  execute format(
    'explain (format json) select from only %2$s r where r.%1$I > %3$L and r.%1$I < %4$L',
    policy.marker_column, nightshift.trusted_name(leaf), cursor ->> 'after', cutoff
  ) into plan;
  -- Each of the two may be wrong: statistics are old, and rows that lie together are missed by a sample.
  return greatest((plan #>> '{0,Plan,Plan Rows}')::bigint, counted - (step ->> 'rowsPurged')::bigint);
end;
$$;

comment on function nightshift.rest_of_walk is
  'About how many due rows a leaf has behind cursor.after: what Postgres expects there, or what the run has counted or estimated less what it has deleted, whichever is more. Null when the run has not measured the table.';
