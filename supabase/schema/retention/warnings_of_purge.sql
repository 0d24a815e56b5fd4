create or replace function nightshift.warnings_of_purge(relation regclass)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(jsonb_agg(w.warning order by w.warning), '[]')
    from (
    select format(
      'Foreign key %s has no index on the referencing side, so each row deleted from %s reads that whole table. Fix: %s',
      k.name, k.referenced, nightshift.index_for_key(k.key)
    )
    from (
      select distinct on (k.key) k.*
      from nightshift.referencing_keys(array(
        select warnings_of_purge.relation::oid
        union
        -- Children are deleted as well.
        select m.member::oid from nightshift.policy_members(array[warnings_of_purge.relation::oid]) m
      )) k
      where not k.indexed
    ) k
    union all
    select format(
      'Trigger %I fires once a statement on the partitioned table; a purge deletes from the partitions, where it does not fire.',
      t.tgname
    )
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_class c on c.oid = t.tgrelid
    where t.tgrelid = warnings_of_purge.relation
      and c.relkind = 'p'
      and not t.tgisinternal
      and (t.tgtype & 1) = 0
      and (t.tgtype & 8) = 8
    ) w(warning)
  );
end;
$$;

comment on function nightshift.warnings_of_purge is 'What will make purging this table slow or surprising, with the fix, as a JSON array of sentences.';
