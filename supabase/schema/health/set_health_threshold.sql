create or replace function nightshift.set_health_threshold(
  check_name text,
  subject text default null,
  info numeric default null,
  warning numeric default null,
  critical numeric default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
set row_security = off
as $$
declare
  health_check nightshift.health_checks;
  given numeric[] := array_remove(array[info, warning, critical], null);
  measured nightshift.health_measure;
  others text;
  warnings text[] := '{}';
begin
  select c.* into health_check from nightshift.health_checks c where c.name = set_health_threshold.check_name;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('There is no health check %s', check_name),
      hint = (select 'Checks are: ' || string_agg(c.name, ', ' order by c.name) || '.' from nightshift.health_checks c);
  end if;
  if given && array['NaN', 'Infinity', '-Infinity']::numeric[] then
    raise exception using
      errcode = 'NS422',
      message = 'A threshold must be a finite number',
      hint = 'Leave out the levels that are never to be reached.';
  end if;
  if given <> array(select g from unnest(given) g order by case health_check.worse when 'lower' then -g else g end) then
    raise exception using
      errcode = 'NS422',
      message = format('Of %s, %s is worse, so critical must not come before warning, nor warning before info', check_name, health_check.worse),
      hint = format('Thresholds are in %s; leave out the levels that are never to be reached.', health_check.unit);
  end if;
  if subject = '' then
    raise exception using
      errcode = 'NS422',
      message = 'A subject must not be empty',
      hint = 'Leave it out to set the thresholds of all subjects.';
  end if;
  insert into nightshift.health_thresholds as t (check_name, subject, info, warning, critical)
  values (health_check.name, set_health_threshold.subject, set_health_threshold.info, set_health_threshold.warning, set_health_threshold.critical)
  on conflict on constraint health_thresholds_check_name_subject_key
  do update set info = excluded.info, warning = excluded.warning, critical = excluded.critical;

  if subject is not null then
    begin
      execute format('select m.* from nightshift.%I(now()) m where m.subject = $1 limit 1', 'health_' || health_check.name)
      into measured using subject;
      if measured.subject is null then
        execute format('select string_agg(o.subject, '', '') from (select m.subject from nightshift.%I(now()) m order by 1 limit 5) o',
          'health_' || health_check.name)
        into others;
        warnings := warnings || format('%s has no subject %s at this moment, so this has no effect now. It has %s.',
          check_name, subject, coalesce('such as ' || others, 'none'));
      end if;
      -- As in run_health_check.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then null;
      -- What keeps the check from looking keeps nobody from setting a threshold.
      when others then
        warnings := warnings || format('%s cannot run at this moment, so whether it has a subject %s is not known: %s.',
          check_name, subject, sqlerrm);
    end;
  end if;
  -- A subject may have a budget of its own, which these replace.
  select warnings || coalesce(array_agg(format('%s was %s, and is never reached now.', l.level, l.before)), '{}') into warnings
  from (values
    ('info', health_check.info, info), ('warning', health_check.warning, warning), ('critical', health_check.critical, critical)
  ) l(level, before, after)
  where l.before is not null and l.after is null and given <> '{}';
  return jsonb_build_object(
    'check', health_check.name, 'subject', subject, 'unit', health_check.unit,
    'info', info, 'warning', warning, 'critical', critical,
    'off', given = '{}',
    'value', measured.value,
    'warnings', to_jsonb(warnings)
  );
end;
$$;

comment on function nightshift.set_health_threshold is
  'Sets the thresholds of a check, in its unit, for one subject, or for all when subject is null; a level that is left out is never reached, so with none of them it is never a finding. They go before the check''s own; those of a subject before those for all. Returns them, with off (none is left), the present value of the subject, and warnings: no subject of that name, a level that was there before. Errors: NS404 no such check, NS422 levels in the wrong order, or no numbers.';
