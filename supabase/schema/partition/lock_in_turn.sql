create or replace function nightshift.lock_in_turn(relations regclass[], modes text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  patience constant text := current_setting('lock_timeout');
  give_up_at constant timestamptz := clock_timestamp() + patience::interval;
  holder jsonb;
  target record;
begin
  if patience <> '0' then
    -- Everyone who comes after us would queue behind us. What is ten times as old as we would wait is not about to end.
    holder := nightshift.lock_holder(relations, modes, 10 * patience::interval);
    if holder is not null then
      raise exception using
        errcode = '55P03',
        message = format('%s is locked by %s', holder ->> 'relation',
          coalesce('process ' || (holder ->> 'pid'), 'a prepared transaction')),
        detail = holder::text,
        hint = 'Wait until it ends, or end it with pg_terminate_backend or rollback prepared.';
    end if;
  end if;
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
  'Locks tables one after the other, waiting for all of them together no longer than lock_timeout, and not at all behind a transaction that is ten times as old. Errors: 55P03, with what lock_holder says as its detail.';
