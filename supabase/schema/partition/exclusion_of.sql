create or replace function nightshift.exclusion_of(parent regclass, out default_partition regclass, out period tsrange, out is_proven boolean)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select found.*
  from (select) one
  left join (
    select e.default_partition, e.period, k.convalidated
    from nightshift.default_exclusions e
    join pg_catalog.pg_constraint k
      on k.conrelid = e.default_partition and k.conname = 'nightshift_room_ahead' and k.contype = 'c'
    where e.parent = exclusion_of.parent
  ) found on true;
$$;

comment on function nightshift.exclusion_of is
  'What the constraint nightshift_room_ahead keeps out of the default partition of a table, and whether Postgres knows that none of it is there (is_proven); nulls without the constraint.';
