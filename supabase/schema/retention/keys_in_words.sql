create or replace function nightshift.keys_in_words(policy regclass, role text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(jsonb_agg(w.key order by w.key), '[]')
    from (
      -- Several with the same columns have one name.
      select distinct coalesce(nightshift.key_in_words(c.oid), format('%s (constraint %I is gone)', k.referencing, k.constraint_name))
      from nightshift.retention_keys k
      left join pg_catalog.pg_constraint c on c.conrelid = k.referencing and c.conname = k.constraint_name and c.contype = 'f'
      where k.policy = keys_in_words.policy and k.role = keys_in_words.role
    ) w(key)
  );
end;
$$;

comment on function nightshift.keys_in_words is 'The foreign keys with a role in a policy, as a JSON array of what with_children, release and keep take.';
