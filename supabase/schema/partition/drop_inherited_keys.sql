-- Locks: ACCESS EXCLUSIVE on the partition and on the tables that its keys refer to, until the end of the transaction.

create or replace function nightshift.drop_inherited_keys(parent regclass, partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  key name;
begin
  for key in
    select k.conname
    from pg_catalog.pg_constraint k
    where k.conrelid = drop_inherited_keys.partition and k.contype = 'f' and k.conparentid = 0
      and (k.confrelid, pg_get_constraintdef(k.oid)) in (
        select p.confrelid, pg_get_constraintdef(p.oid)
        from pg_catalog.pg_constraint p
        where p.conrelid = drop_inherited_keys.parent and p.contype = 'f'
      )
  loop
    execute format('alter table %s drop constraint %I', nightshift.trusted_name(partition), key);
  end loop;
end;
$$;

comment on function nightshift.drop_inherited_keys is
  'Drops those foreign keys of a detached partition that its table has as well: it would hold the rows that it refers to for as long as it waits to be dropped. When it is attached again, Postgres makes and checks them anew.';
