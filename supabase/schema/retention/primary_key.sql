create or replace function nightshift.primary_key(relation regclass, out column_name name, out type text, out equals text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  columns integer;
begin
  -- The type without its length: a cast to varchar(3) would cut an id short, and find another row.
  select i.indnkeyatts, a.attname, format('%I.%I', tn.nspname, t.typname), format('operator(%I.%s)', n.nspname, o.oprname)
  into columns, column_name, type, equals
  from pg_catalog.pg_index i
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  join pg_catalog.pg_opclass c on c.oid = i.indclass[0]
  join pg_catalog.pg_amop p on p.amopfamily = c.opcfamily and p.amoplefttype = c.opcintype
    and p.amoprighttype = c.opcintype and p.amopstrategy = 3
  join pg_catalog.pg_operator o on o.oid = p.amopopr
  join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
  where i.indrelid = primary_key.relation and i.indisprimary;
  if columns is distinct from 1 then
    raise exception using
      errcode = 'NS422',
      message = case
        when columns is null then format('%s has no primary key', relation)
        else format('The primary key of %s has %s columns', relation, columns)
      end,
      hint = 'Rows are named by the value of a primary key of one column; restore others with an update of your own.';
  end if;
end;
$$;

comment on function nightshift.primary_key is
  'The column of a primary key of one column, its type and the operator that it is unique by, both as SQL writes them. Errors: NS422 when there is none.';
