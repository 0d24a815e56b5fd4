create or replace function nightshift.override_assignments(relation regclass, overrides jsonb, rows integer)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  wrong text;
begin
  if overrides is null then
    return '';
  end if;
  if jsonb_typeof(overrides) <> 'object' or rows <> 1 then
    raise exception using
      errcode = 'NS422',
      message = case when rows <> 1 then 'overrides are for a single row' else 'overrides must be an object of columns and values' end,
      hint = 'Pass one key, and for example overrides => ''{"sku": "A-17-old"}''.';
  end if;
  select k.name into wrong
  from jsonb_object_keys(overrides) k(name)
  where nightshift.column_type(relation, k.name::name) is null or length(k.name) > 63
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%s has no column %I', relation, wrong),
      hint = 'Nothing was restored.';
  end if;
  select k.name into wrong
  from unnest((nightshift.soft_delete_rules(relation)).key_names) k(name)
  where overrides ? k.name
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%I is of the primary key of %s, by which the row is known', wrong, relation),
      hint = 'Restore it as it is, and change its key after that. Nothing was restored.';
  end if;
  return (
    select string_agg(format(', %1$I = (pg_catalog.jsonb_populate_record(null::%2$s, $2)).%1$I', k.name, c.row_type), '')
    from jsonb_object_keys(overrides) k(name)
    cross join (
      select format('%I.%I', n.nspname, c.relname) as row_type
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = relation
    ) c
  );
end;
$$;

comment on function nightshift.override_assignments is
  'Assignments of the columns that a restored row gets anew, from the object $2; empty for none. Errors: NS422 several rows, no such column, or one of the primary key.';
