create or replace function nightshift.hold_table(relation regclass, locking text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- ROW EXCLUSIVE before the catalog is read: from here on nobody adds a foreign key, changes a type or swaps a name.
  if locking <> '' then
    execute format('lock table only %s in row exclusive mode', relation);
  end if;
end;
$$;

comment on function nightshift.hold_table is
  'Keeps the definition of a table as it is until the end of the transaction, when rows of it are to be locked.';
