create or replace function nightshift.require_real_run(run nightshift.runs, job text, does_nothing text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if run.dry_run or run.job <> require_real_run.job then
    raise exception using
      errcode = 'NS422',
      message = format('A %s %s', case when run.dry_run then 'dry run' else 'run of ' || run.job end, does_nothing),
      hint = format('Begin a run of %s without dry_run.', require_real_run.job);
  end if;
end;
$$;

comment on function nightshift.require_real_run is
  'Raises NS422 for a dry run, and for one of another job. does_nothing: what such a run does not do, such as "vacuums nothing".';
