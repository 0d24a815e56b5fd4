create or replace function nightshift.comparison_operator(type_id oid, strategy integer)
returns oid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive base(id) as (
    select comparison_operator.type_id
    union all
    select t.typbasetype from base b join pg_catalog.pg_type t on t.oid = b.id and t.typtype = 'd'
  ), plain as (
    select t.oid, t.typtype, t.typcategory from base b join pg_catalog.pg_type t on t.oid = b.id and t.typtype <> 'd'
  )
  select p.amopopr
  from plain
  join pg_catalog.pg_opclass c on c.opcdefault and c.opcmethod = (select a.oid from pg_catalog.pg_am a where a.amname = 'btree')
  join pg_catalog.pg_amop p on p.amopfamily = c.opcfamily and p.amoplefttype = c.opcintype
    and p.amoprighttype = c.opcintype and p.amopstrategy = comparison_operator.strategy
  where c.opcintype = plain.oid
    or c.opcintype = 'anyenum'::regtype and plain.typtype = 'e'
    or c.opcintype = 'anyarray'::regtype and plain.typcategory = 'A'
    or c.opcintype = 'anyrange'::regtype and plain.typtype = 'r'
    or exists (
      select from pg_catalog.pg_cast t
      where t.castsource = plain.oid and t.casttarget = c.opcintype and t.castmethod = 'b' and t.castcontext = 'i'
    )
  order by c.opcintype <> plain.oid, c.opcintype = 'text'::regtype desc, c.opcintype
  limit 1;
$$;

comment on function nightshift.comparison_operator is
  'The operator by which an index sorts a type: strategy 1 to 5 is <, <=, =, >=, >. Null for a type without an order, like json.';
