-- Health check inactive_replication_slots: how much WAL is kept for replication slots that nobody reads from.
-- Why: the server keeps all of it until the reader comes back, or the disk is full.

create or replace function nightshift.health_inactive_replication_slots(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    format('slot %I', s.slot_name),
    -- One that was invalidated, or never used, keeps nothing, but says that someone does not get what they wait for.
    coalesce(greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn), 0), 0),
    concat_ws('; ',
      case s.slot_type when 'logical' then format('logical, of database %I', s.database) else s.slot_type end,
      'wal status ' || coalesce(s.wal_status, 'none: it has never been used'),
      -- From Postgres 17 on.
      'inactive since ' || left(to_jsonb(s) ->> 'inactive_since', 16),
      'holds back vacuum by ' || greatest(age(s.xmin), age(s.catalog_xmin)) || ' transactions'),
    -- Without its slot a replica or subscriber has to be built anew: for one that is only away this would be no fix.
    case when s.wal_status = 'lost' then format('select pg_drop_replication_slot(%L);', s.slot_name)
      else format('select * from pg_replication_slots where slot_name = %1$L; '
        || '/* start its reader again, or, if it is gone for good: select pg_drop_replication_slot(%1$L); */', s.slot_name) end,
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_replication_slots s
  where not s.active;
end;
$$;

comment on function nightshift.health_inactive_replication_slots is
  'Bytes of WAL kept for each replication slot of the server that is not active. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'inactive_replication_slots',
  title => 'Inactive replication slots',
  healthy => 'Every replication slot is in use.',
  why => 'For a slot that nobody reads from the server keeps its WAL until the disk is full, and old row versions with it.',
  unit => 'bytes', warning => 0, critical => 1073741824
);
