create or replace function nightshift.retention_warnings(relation regclass)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
  return (
    select nightshift.warnings_of_purge(retention_warnings.relation) || coalesce((
      select jsonb_agg(format('%s: left to the partition policy of %s.', t.names, t.parent) order by t.parent::text)
      from (
        select r.parent, nightshift.name_some(array_agg(r.partition order by r.partition)) as names
        from nightshift.partitions_to_retire(retention_warnings.relation) r
        group by r.parent
      ) t
    ), '[]') || coalesce((
      select jsonb_agg(w)
      from (
        select nightshift.warn_of_heirs(retention_warnings.relation)
        union all
        select nightshift.warn_of_namesake(retention_warnings.relation)
        union all
        select nightshift.warn_of_replica_identity(m.member)
        from nightshift.policy_members(array[retention_warnings.relation::oid]) m
      ) w(w)
    ), '[]')
  );
end;
$$;

comment on function nightshift.retention_warnings is
  'What will make purging this table slow or surprising, with the fix, as a JSON array of sentences; and which rows are left to a partition policy.';
