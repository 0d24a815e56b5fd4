create or replace function nightshift.drop_exclusion(parent regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  exclusion record := nightshift.exclusion_of(parent);
begin
  if exclusion.default_partition is not null then
    execute format('alter table %s drop constraint nightshift_room_ahead', nightshift.trusted_name(exclusion.default_partition));
  end if;
  delete from nightshift.default_exclusions e where e.parent = drop_exclusion.parent;
end;
$$;

comment on function nightshift.drop_exclusion is
  'Lets the default partition of a table have all rows again: see exclude_from_default. Locks it for a moment.';
