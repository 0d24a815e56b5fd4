create or replace function nightshift.require_referencing_indexes(relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  missing record;
begin
  select k.referencing, k.key, nightshift.key_columns(k.key) as columns into missing
  from nightshift.referencing_keys(array[relation::oid]) k
  where not k.indexed and nightshift.is_large(k.referencing)
  order by pg_relation_size(k.referencing) desc
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%s refers to %s, is large, and has no index on %s', missing.referencing, relation, missing.columns),
      detail = 'Postgres would read it as a whole for each row that goes.',
      hint = format('%s -- to do without: POST /jobs/retention-purge/runs with %s',
        nightshift.index_for_key(missing.key), jsonb_build_object('force', jsonb_build_array(relation::text)));
  end if;
end;
$$;

comment on function nightshift.require_referencing_indexes is
  'Raises NS422, with the statement in the hint, where a large table refers to this one and no index serves the foreign key.';
