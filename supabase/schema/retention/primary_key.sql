create or replace function nightshift.primary_key(relation regclass, out column_name name, out type text, out equals text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  columns integer;
begin
  -- The type that the operator takes, without a length: a cast to varchar(3) would cut an id short, and find another row; and one to
  -- a domain would run its checks, which may be anyone's.
  select i.indnkeyatts, a.attname,
    case o.cast_right when '' then format('%I.%I', tn.nspname, t.typname) else substr(o.cast_right, 3) end, concat(o.cast_left, ' ', o.name)
  into columns, column_name, type, equals
  from pg_catalog.pg_index i
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  join pg_catalog.pg_opclass c on c.oid = i.indclass[0]
  join pg_catalog.pg_amop p on p.amopfamily = c.opcfamily and p.amoplefttype = c.opcintype
    and p.amoprighttype = c.opcintype and p.amopstrategy = 3
  cross join lateral nightshift.trusted_operator(p.amopopr) o
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
  'The column of a primary key of one column, the type of its values, and what to write between the column and a value to compare them as its index does. Errors: NS422 when there is none (and see trusted_operator).';
