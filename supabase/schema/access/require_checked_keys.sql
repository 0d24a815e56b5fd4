create or replace function nightshift.require_checked_keys(parent regclass, partition regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  lacking record;
begin
  select k.conname, k.confrelid::regclass as referenced, s.message, pg_get_constraintdef(k.oid) as definition into lacking
  from pg_catalog.pg_constraint k
  cross join lateral nightshift.find_stranger(k.confrelid) s
  where k.conrelid = parent and k.contype = 'f' and s.message is not null
    and not exists (
      select from pg_catalog.pg_constraint o
      where o.conrelid = partition and o.contype = 'f' and o.convalidated and o.confrelid = k.confrelid
        and pg_get_constraintdef(o.oid) = pg_get_constraintdef(k.oid)
    )
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = lacking.message,
      detail = format('%s lacks the foreign key %I of %s, and Postgres would read %s with the rights of %I to check it.',
        partition, lacking.conname, parent, lacking.referenced, current_user),
      hint = format('alter table %s add constraint %I %s;', partition, lacking.conname, lacking.definition);
  end if;
end;
$$;

comment on function nightshift.require_checked_keys is
  'Raises NS422 when a table that is to be attached lacks a foreign key of the partitioned table to a table that could have code of someone else run (see find_stranger): one that it has already is not checked again.';
