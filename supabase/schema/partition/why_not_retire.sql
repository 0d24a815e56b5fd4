create or replace function nightshift.why_not_retire(policy nightshift.partition_policies, partition regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  key record;
  referenced boolean;
  users text;
begin
  for key in select k.key, k.name, k.referencing from nightshift.referencing_keys(array[partition::oid]) k loop
    execute format('select exists (select from only %s t where exists (select from %s x where %s))',
      nightshift.trusted_name(partition), nightshift.scan_of(key.referencing), nightshift.join_condition(key.key)) into referenced;
    if referenced then
      return format('rows of it are still needed by foreign key %s', key.name);
    end if;
  end loop;
  if policy.retire = 'drop' then
    users := nightshift.users_of(partition);
    if users is not null then
      return format('it could not be dropped later: needed by %s', users);
    end if;
  end if;
  return null;
end;
$$;

comment on function nightshift.why_not_retire is
  'What keeps a due partition from being retired, in words: rows that foreign keys refer to or, when it is to be dropped, views and functions that read it by name; null for nothing.';
