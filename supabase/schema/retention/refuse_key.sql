create or replace function nightshift.refuse_key(policy regclass, entry text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'NS422',
    message = format('%s does not refer to rows of %s, nor to children that are named', entry, policy),
    hint = 'These refer to them: ' || coalesce((
      select string_agg(format('%L', nightshift.key_in_words(k.key)), ', ' order by k.name)
      from nightshift.purge_keys(array[policy::oid]) k
    ), 'none') || '.';
end;
$$;

comment on function nightshift.refuse_key is
  'Raises NS422 for an entry of with_children, release or keep that names no foreign key to rows of the policy, and lists those there are.';
