create or replace function nightshift.reference_join(key oid, from_referenced boolean)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  referenced oid;
  referencing oid;
  near oid;
begin
  select c.confrelid, c.conrelid into referenced, referencing from pg_catalog.pg_constraint c where c.oid = key;
  near := case when from_referenced then referenced else referencing end;
  -- From one known row r to those at the other end. The array is looked at before any table is.
  return format('%1$s %2$s join %3$s %4$s on %5$s where r.relation = any(%6$L::oid[]) and %2$s.tableoid = r.relation and %2$s.ctid = r.tid',
    nightshift.scan_of(near), case when from_referenced then 't' else 'x' end,
    nightshift.scan_of(case when from_referenced then referencing else referenced end), case when from_referenced then 'x' else 't' end,
    nightshift.join_condition(key),
    array(select l::oid from nightshift.all_leaf_relations(near) l));
end;
$$;

comment on function nightshift.reference_join is
  'The FROM and WHERE that lead from a row r (relation, tid) through a foreign key: from the referenced row t to those that refer to it, x, or the other way. Errors: NS422 (see trusted_name).';
