create or replace function nightshift.call_for_role(policy regclass, key oid, role text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('select nightshift.settle_reference(%L, %L, %L);', policy, nightshift.key_in_words(key), role);
$$;

comment on function nightshift.call_for_role is
  'The call that settles a foreign key of a policy as with_children, release or keep.';
