create or replace function nightshift.reference_join(key oid, from_referenced boolean)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    -- From one known row r to those at the other end. The array is looked at before any table is.
    select case when from_referenced
      then format('%s t join %s x on %s where r.relation = any(%L::oid[]) and t.tableoid = r.relation and t.ctid = r.tid',
        nightshift.scan_of(c.confrelid), nightshift.scan_of(c.conrelid), nightshift.join_condition(c.oid),
        array(select l::oid from nightshift.all_leaf_relations(c.confrelid) l))
      else format('%s x join %s t on %s where r.relation = any(%L::oid[]) and x.tableoid = r.relation and x.ctid = r.tid',
        nightshift.scan_of(c.conrelid), nightshift.scan_of(c.confrelid), nightshift.join_condition(c.oid),
        array(select l::oid from nightshift.all_leaf_relations(c.conrelid) l))
    end
    from pg_catalog.pg_constraint c
    where c.oid = reference_join.key
  );
end;
$$;

comment on function nightshift.reference_join is
  'The FROM and WHERE that lead from a row r (relation, tid) through a foreign key: from the referenced row t to those that refer to it, x, or the other way. Errors: NS422 (see trusted_name).';
