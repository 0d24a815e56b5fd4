-- The refresh: one view at a time, each in a transaction of its own.
-- Why: a refresh holds its locks until its transaction ends, and a view that fails must not undo the others.
-- Locks: those of REFRESH MATERIALIZED VIEW; readers never wait for more
--        than half a second for one that itself waits.

create or replace function nightshift.refresh_view(run_id uuid, fence bigint, view text, force boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '50s'
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  policy nightshift.refresh_policies := nightshift.find_refresh_policy(refresh_view.view);
  context text;
begin
  perform nightshift.require_wanted(run);
  if policy.view is null or not policy.enabled then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no refresh policy that is switched on', refresh_view.view),
      hint = 'It was removed or switched off, or its view dropped or renamed, since the run began.';
  end if;
  if run.dry_run then
    raise exception using errcode = 'NS422', message = 'A dry run refreshes nothing', hint = 'Begin a run without dry_run.';
  end if;
  return nightshift.refresh_policy_view(policy, force, run.id);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.refresh_view is
  'Refreshes one view for a run: see refresh_policy_view. Calls for different views may run side by side. statement_timeout 50 s over the API, which ends every call after 60 s. Errors: also NS409 lease lost, NS410 cancelled or paused.';
