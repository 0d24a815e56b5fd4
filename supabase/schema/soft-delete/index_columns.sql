create or replace function nightshift.index_columns(
  index regclass, out "position" integer, out name name, out type text, out cast_left text, out operator text, out cast_right text
)
returns setof record
language plpgsql
stable
rows 2
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  -- The type that the operator takes, without a length: a cast to varchar(3) would cut a value short, and find another row.
  select u.position::integer, a.attname,
    case o.cast_right when '' then format('%I.%I', tn.nspname, t.typname) else substr(o.cast_right, 3) end,
    o.cast_left, o.name, o.cast_right
  from pg_catalog.pg_index i
  cross join lateral unnest(i.indkey[0:i.indnkeyatts - 1], i.indclass[0:i.indnkeyatts - 1]) with ordinality u(attnum, opclass, position)
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.attnum
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  join pg_catalog.pg_opclass c on c.oid = u.opclass
  join pg_catalog.pg_amop p on p.amopfamily = c.opcfamily and p.amoplefttype = c.opcintype
    and p.amoprighttype = c.opcintype and p.amopstrategy = 3
  cross join lateral nightshift.trusted_operator(p.amopopr) o
  where i.indexrelid = index_columns.index
  order by u.position;
end;
$$;

comment on function nightshift.index_columns is
  'The columns by which a unique index tells rows apart, in their order, without expressions: name, type of the values, and what to write to compare them as the index does, between and after two values. Errors: see trusted_operator.';
