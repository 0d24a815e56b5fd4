create or replace function nightshift.warnings_of_purge(relation regclass)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(w.warning order by w.warning), '[]')
  from (
  select format(
    'Foreign key %s has no index on the referencing side, so each row deleted here reads that whole table. Fix: create index concurrently on %s (%s);',
    k.name, k.referencing,
    (
      select string_agg(format('%I', a.attname), ', ' order by u.position)
      from pg_catalog.pg_constraint c
      cross join lateral unnest(c.conkey) with ordinality u(attnum, position)
      join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = u.attnum
      where c.oid = k.key
    )
  )
  from nightshift.referencing_keys(warnings_of_purge.relation) k
  where not k.indexed
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
  ) w(warning);
$$;

comment on function nightshift.warnings_of_purge is 'What will make purging this table slow or surprising, with the fix, as a JSON array of sentences.';
