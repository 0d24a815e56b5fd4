create or replace function nightshift.call_for_role(policy regclass, key oid, role text, named_keys jsonb)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- What is given replaces what there is, so the call repeats that.
  select format('select nightshift.alter_retention_policy(%L, %s => array[%s]);', policy,
    case call_for_role.role when 'child' then 'with_children' else call_for_role.role end,
    string_agg(quote_literal(e.entry), ', ' order by e.entry))
  from (
    select jsonb_array_elements_text(named_keys -> call_for_role.role)
    union
    select nightshift.key_in_words(call_for_role.key)
  ) e(entry);
$$;

comment on function nightshift.call_for_role is
  'The call that gives a foreign key a role in a policy (child, release or keep) and leaves the others as they are: those of named_keys (see keys_by_role).';
