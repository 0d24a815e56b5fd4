create or replace function nightshift.require_within_brake(excess text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if excess is not null then
    raise exception using
      errcode = 'NS428',
      message = excess,
      detail = 'Counted with what is gone in this run. This batch deleted nothing.',
      hint = 'The policy or the rows changed since the run began. Look with a dry run; then name the table in force, or raise max_fraction.';
  end if;
end;
$$;

comment on function nightshift.require_within_brake is
  'Raises NS428 where nightshift.brake has something to say, so that nothing of the batch is committed.';
