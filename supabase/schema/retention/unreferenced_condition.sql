create or replace function nightshift.unreferenced_condition(policy nightshift.retention_policies, leaf regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(string_agg(format('not exists (select from %s x where %s)',
      nightshift.scan_of(k.referencing), nightshift.join_condition(k.key)), ' and ' order by k.key), 'true')
    from nightshift.purge_keys(array[policy.relation::oid]) k
    where leaf::oid = any(k.related)
  );
end;
$$;

comment on function nightshift.unreferenced_condition is
  'The SQL condition, for rows t of a leaf, that no row refers to them. Errors: NS404, NS422 (see trusted_name, trusted_operator).';
