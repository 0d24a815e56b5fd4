-- Thresholds of one's own, for a check or for one subject of it.
-- Why: what is an alarm in one database is a Tuesday in another.
-- Locks: none on any existing object.

create function nightshift.set_health_threshold(
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
  if given <> array(select g from unnest(given) g order by case health_check.worse when 'lower' then -g else g end) then
    raise exception using
      errcode = 'NS422',
      message = format('Of %s, %s is worse, so critical must not come before warning, nor warning before info', check_name, health_check.worse),
      hint = format('Thresholds are in %s; leave out the levels that are never to be reached.', health_check.unit);
  end if;
  if 'NaN' = any(given) or subject = '' then
    raise exception using
      errcode = 'NS422',
      message = 'A threshold must be a number, and a subject must not be empty',
      hint = format('Thresholds are in %s; leave out the subject to set those of all.', health_check.unit);
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
    exception
      -- What cannot be looked at now can be given a threshold all the same.
      when sqlstate 'NS424' or insufficient_privilege or lock_not_available then
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

create function nightshift.remove_health_threshold(check_name text, subject text default null)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
begin
  if not exists (select 1 from nightshift.health_checks c where c.name = remove_health_threshold.check_name) then
    raise exception using
      errcode = 'NS404',
      message = format('There is no health check %s', check_name),
      hint = (select 'Checks are: ' || string_agg(c.name, ', ' order by c.name) || '.' from nightshift.health_checks c);
  end if;
  delete from nightshift.health_thresholds t
  where t.check_name = remove_health_threshold.check_name
    and t.subject is not distinct from remove_health_threshold.subject;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('No threshold was set for %s', concat_ws(' of ', subject, check_name)),
      hint = 'select * from nightshift.health_thresholds; shows those that are, to the owner of the schema.';
  end if;
  return true;
end;
$$;

comment on function nightshift.remove_health_threshold is
  'Gives a check, or one subject of it, its own thresholds back. Returns true. Errors: NS404 when none were set.';

revoke all on function nightshift.set_health_threshold, nightshift.remove_health_threshold from public, anon, authenticated;
grant execute on function nightshift.set_health_threshold, nightshift.remove_health_threshold to service_role;
