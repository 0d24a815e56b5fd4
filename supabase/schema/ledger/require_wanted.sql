create or replace function nightshift.require_wanted(run nightshift.runs)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  cancellation jsonb;
  paused_because text;
begin
  if run.cancel_requested_at is not null then
    cancellation := nightshift.cancellation(run.cancel_requested_at, run.cancel_requested_by);
    raise exception using
      errcode = cancellation ->> 'code',
      message = cancellation ->> 'message',
      detail = cancellation ->> 'detail',
      hint = cancellation ->> 'hint';
  end if;
  select coalesce(': ' || s.paused_reason, '') into paused_because
  from nightshift.settings s
  where s.paused
    and not exists (select 1 from nightshift.jobs j where j.name = run.job and j.runs_while_paused);
  if found then
    raise exception using
      errcode = 'NS410',
      message = 'Nightshift was paused' || paused_because,
      hint = 'What the run had committed stays. select nightshift.unpause(); lets the next run go on from there.';
  end if;
end;
$$;

comment on function nightshift.require_wanted is
  'Raises NS410 when a run has to end: it was cancelled, or Nightshift is paused.';
