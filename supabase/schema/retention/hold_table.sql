create or replace function nightshift.hold_table(relation regclass, locking text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  name text;
begin
  -- ROW EXCLUSIVE before the catalog is read: from here on nobody adds a foreign key, changes a type or swaps a name.
  while locking <> '' and name is distinct from relation::text loop
    -- It may be called otherwise once the lock is there.
    name := relation::text;
    execute format('lock table only %s in row exclusive mode', name);
  end loop;
exception
  when lock_not_available then
    perform nightshift.raise_locked(array[relation::oid]);
end;
$$;

comment on function nightshift.hold_table is
  'Keeps the definition of a table as it is until the end of the transaction, when rows of it are to be locked. Errors: NS425 another session has locked it.';
