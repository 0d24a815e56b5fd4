create or replace function nightshift.add_key(policy regclass, key oid, role text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  named record;
begin
  select c.conrelid::regclass as referencing, c.conname into named from pg_catalog.pg_constraint c where c.oid = add_key.key;
  if role = 'child' then
    perform nightshift.check_purgeable(named.referencing, 'with_children');
  elsif role = 'release' then
    perform nightshift.check_release(key);
  end if;
  insert into nightshift.retention_keys values (policy, named.referencing, named.conname, role) on conflict do nothing;
  if not found then
    raise exception using
      errcode = 'NS422',
      message = format('%s is named twice', nightshift.key_in_words(key)),
      hint = 'Its rows can go with the row that they refer to, or let it go, or keep it: one of the three.';
  end if;
end;
$$;

comment on function nightshift.add_key is
  'Notes the role of a foreign key in a policy. Errors: NS422 when its rows cannot be deleted or released, or it has a role already.';
