create or replace function nightshift.declare_job(
  name text,
  purpose text,
  policies regclass default null,
  runs_while_paused boolean default false,
  runs_kept interval default null
)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into nightshift.jobs (name, purpose, policies, runs_while_paused, runs_kept)
  values (name, purpose, policies, runs_while_paused, runs_kept)
  on conflict (name) do update set
    (purpose, policies, runs_while_paused, runs_kept)
      = (excluded.purpose, excluded.policies, excluded.runs_while_paused, excluded.runs_kept);
$$;

comment on function nightshift.declare_job is 'Writes the row of a job, anew where there is one. See nightshift.jobs for the columns.';
