create or replace function nightshift.reference_join(key oid, from_referenced boolean)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- From one known row r to those at the other end. The array is looked at before any table is.
  return (
    select format('%1$s %2$s join %3$s %4$s on %5$s where r.relation = any(%6$L::oid[]) and %2$s.tableoid = r.relation and %2$s.ctid = r.tid',
      case when from_referenced then j.referenced_scan else j.referencing_scan end, case when from_referenced then 't' else 'x' end,
      case when from_referenced then j.referencing_scan else j.referenced_scan end, case when from_referenced then 'x' else 't' end,
      j.condition, case when from_referenced then j.referenced_leaves else j.referencing_leaves end)
    from nightshift.key_joins(array[reference_join.key]) j
  );
end;
$$;

comment on function nightshift.reference_join is
  'The FROM and WHERE that lead from a row r (relation, tid) through a foreign key: from the referenced row t to those that refer to it, x, or the other way. Errors: NS422 (see trusted_name).';
