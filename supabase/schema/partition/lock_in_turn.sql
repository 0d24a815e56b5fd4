create or replace function nightshift.lock_in_turn(relations regclass[], modes text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  patience constant text := current_setting('lock_timeout');
  give_up_at constant timestamptz := clock_timestamp() + patience::interval;
  target record;
begin
  for target in select * from unnest(relations, modes) t(relation, mode) loop
    if patience <> '0' then
      perform set_config('lock_timeout', greatest(ceil(extract(epoch from give_up_at - clock_timestamp()) * 1000), 1)::text, true);
    end if;
    execute format('lock table only %s in %s mode', target.relation, target.mode);
  end loop;
  perform set_config('lock_timeout', patience, true);
end;
$$;

comment on function nightshift.lock_in_turn is
  'Locks tables one after the other, waiting for all of them together no longer than lock_timeout.';
