create or replace function nightshift.require_referencing_indexes(relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  missing record;
begin
  select k.referencing, u.columns into missing
  from nightshift.referencing_keys(relation) k
  cross join lateral (
    select string_agg(quote_ident(a.attname), ', ' order by c.position) as columns
    from pg_catalog.pg_constraint f
    cross join lateral unnest(f.conkey) with ordinality c(attnum, position)
    join pg_catalog.pg_attribute a on a.attrelid = f.conrelid and a.attnum = c.attnum
    where f.oid = k.key
  ) u
  where not k.indexed and nightshift.is_large(k.referencing)
  order by pg_relation_size(k.referencing) desc
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%s refers to %s, is large, and has no index on %s', missing.referencing, relation, missing.columns),
      detail = 'Postgres would read it as a whole for each row that goes. Nothing was deleted.',
      hint = format('create index concurrently on %s (%s); a run with force does without.', missing.referencing, missing.columns);
  end if;
end;
$$;

comment on function nightshift.require_referencing_indexes is
  'Raises NS422, with the statement in the hint, where a large table refers to this one and no index serves the foreign key.';
