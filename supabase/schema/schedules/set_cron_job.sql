create or replace function nightshift.set_cron_job(name text, cron text, command text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('select %s($1, $2, $3)', nightshift.extension_function('pg_cron', 'schedule', 'text, text, text'))
  using name, cron, command;
exception
  when invalid_parameter_value then
    raise exception using
      errcode = 'NS422',
      message = format('pg_cron cannot read the schedule %L', cron),
      detail = 'Nothing was changed.',
      hint = 'Give five fields: minute, hour, day of the month, month, day of the week. ''0 2 * * *'' is two o''clock every night.';
  when insufficient_privilege then
    raise exception using
      errcode = 'NS422',
      message = format('%I may not use pg_cron', current_user),
      detail = 'Nothing was changed.',
      hint = format('grant usage on schema cron to %I;', current_user);
end;
$$;

comment on function nightshift.set_cron_job is
  'Makes a job of pg_cron, or changes the one of that name. Errors: NS404 pg_cron is not there, NS422 a schedule that it cannot read, or a right that the owner lacks.';
