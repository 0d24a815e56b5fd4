create or replace function nightshift.mute_triggers(relation regclass)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  trigger record;
  states jsonb := '{}';
begin
  for trigger in
    select t.tgname, t.tgenabled from pg_catalog.pg_trigger t
    where t.tgrelid = relation and not t.tgisinternal and t.tgenabled <> 'D'
  loop
    execute format('alter table %s disable trigger %I', nightshift.trusted_name(relation), trigger.tgname);
    states := states || jsonb_build_object(trigger.tgname, trigger.tgenabled);
  end loop;
  return states;
end;
$$;

comment on function nightshift.mute_triggers is
  'Disables the triggers of a table, but for those of foreign keys, and returns them with their states, for unmute_triggers.';
