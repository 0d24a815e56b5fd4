create or replace function nightshift.cascade_keys(relation regclass, cascade text[])
returns oid[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  entry text;
  named regclass;
  columns text;
  found_keys oid[];
  all_keys oid[] := '{}';
begin
  if cascade is null then
    return array(
      select c.oid
      from nightshift.soft_delete_cascades s
      join pg_catalog.pg_constraint c on c.conrelid = s.referencing and c.conname = s.constraint_name and c.contype = 'f'
      where s.relation = cascade_keys.relation
    );
  end if;
  foreach entry in array cascade loop
    select e.named, e.columns into named, columns from nightshift.read_key_entry(entry) e;
    found_keys := array(
      select c.oid from pg_catalog.pg_constraint c
      where c.contype = 'f' and c.conparentid = 0 and c.conrelid = named and c.confrelid = relation
        and (columns is null or nightshift.key_columns(c.oid) = columns)
    );
    if cardinality(found_keys) <> 1 then
      raise exception using
        errcode = case when named is null then 'NS404' else 'NS422' end,
        message = case
          when named is null then format('There is no table %s', coalesce(entry, 'null'))
          when found_keys = '{}' then format('%s has no such foreign key to %s', entry, relation)
          else format('%s refers to %s in several ways', entry, relation) end,
        hint = coalesce('Name the foreign key by its columns, one of: ' || (
          select string_agg(quote_literal(nightshift.key_in_words(c.oid)), ', ')
          from pg_catalog.pg_constraint c
          where c.contype = 'f' and c.conparentid = 0 and c.confrelid = relation and (named is null or c.conrelid = named)
        ), 'Nothing refers to it by a foreign key.');
    end if;
    if named <> relation and not exists (select from nightshift.soft_delete_tables t where t.relation = named) then
      raise exception using
        errcode = 'NS422',
        message = format('Rows of %s cannot go along, since soft delete is not enabled for it', named),
        hint = format('First: select nightshift.enable_soft_delete(%L);', named::text);
    end if;
    if named <> relation and named in (
      with recursive above(relation) as (
        select cascade_keys.relation
        union
        select s.relation from above a join nightshift.soft_delete_cascades s on s.referencing = a.relation
      )
      select a.relation from above a
    ) then
      raise exception using
        errcode = 'NS422',
        message = format('Deletions of %s would come back to it by way of %s', relation, named),
        hint = 'No row of such a circle of tables could be restored before the others: leave one of its foreign keys out of cascade.';
    end if;
    all_keys := all_keys || found_keys;
  end loop;
  return all_keys;
end;
$$;

comment on function nightshift.cascade_keys is
  'The foreign keys that cascade names, or those that were declared before, where it is null: each entry a table that refers to this one, with the columns of the key where there are several. Errors: NS404 no such table, NS422 no or several keys, a table without soft delete, or a circle of tables.';
