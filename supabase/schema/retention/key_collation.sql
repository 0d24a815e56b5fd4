create or replace function nightshift.key_collation(referenced oid, referencing oid)
returns oid
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Where equal means the same bytes, Postgres takes the collation of the column that refers, and the index there.
  return case
    when referenced = referencing or (select not c.collisdeterministic from pg_catalog.pg_collation c where c.oid = referenced) then referenced
    else referencing
  end;
end;
$$;

comment on function nightshift.key_collation is
  'The collation by which Postgres looks for rows that refer to one, given those of the two columns of a foreign key (0 for a type without).';
