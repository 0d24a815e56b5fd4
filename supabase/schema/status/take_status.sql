-- Who looks is answered from one stored row; only the health check, once every few minutes, gathers what is in it.

create or replace function nightshift.take_status(run_id uuid, fence bigint)
returns timestamptz
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set statement_timeout = '8s'
set lock_timeout = '500ms'
set row_security = off
set timezone = 'UTC'
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  context text;
begin
  insert into nightshift.status as s (taken_at, document)
  values (now(), nightshift.describe_status(now()) || jsonb_build_object('runId', run.id))
  on conflict on constraint status_pkey do update set (taken_at, document) = (excluded.taken_at, excluded.document);
  return now();
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.take_status is
  'Takes the snapshot that read_status returns, in the place of the one before. The health check calls it when its checks are done. Returns when it was taken. Errors: NS404, NS409 lease lost.';
