create or replace function nightshift.key_of(
  relation regclass, out "position" integer, out name name, out type text, out cast_left text, out operator text
)
returns setof record
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- In this language a session plans the query once, which takes longer than to run it, and each deletion runs it several times.
begin
  return query
  -- The type that the operator takes, without a length: a cast to varchar(3) would cut a key short, and find another row.
  select u.position::integer, a.attname,
    case o.cast_right when '' then format('%I.%I', tn.nspname, t.typname) else substr(o.cast_right, 3) end, o.cast_left, o.name
  from pg_catalog.pg_index i
  cross join lateral unnest(i.indkey[0:i.indnkeyatts - 1], i.indclass[0:i.indnkeyatts - 1]) with ordinality u(attnum, opclass, position)
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.attnum
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  join pg_catalog.pg_opclass c on c.oid = u.opclass
  join pg_catalog.pg_amop p on p.amopfamily = c.opcfamily and p.amoplefttype = c.opcintype
    and p.amoprighttype = c.opcintype and p.amopstrategy = 3
  cross join lateral nightshift.trusted_operator(p.amopopr) o
  where i.indrelid = key_of.relation and i.indisprimary
  order by u.position;
end;
$$;

comment on function nightshift.key_of is
  'The columns of a primary key in their order: name, type of its values, and what to write between the column and a value to compare them as its index does. None without a primary key. Errors: see trusted_operator.';
