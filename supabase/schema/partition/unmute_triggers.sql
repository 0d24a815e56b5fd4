create or replace function nightshift.unmute_triggers(relation regclass, states jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  trigger record;
begin
  for trigger in select * from jsonb_each_text(states) t(name, state) loop
    execute format('alter table %s enable %s trigger %I', nightshift.trusted_name(relation),
      case trigger.state when 'R' then 'replica' when 'A' then 'always' else '' end, trigger.name);
  end loop;
end;
$$;

comment on function nightshift.unmute_triggers is 'Enables triggers again, each as it was.';
