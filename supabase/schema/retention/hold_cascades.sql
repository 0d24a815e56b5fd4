create or replace function nightshift.hold_cascades(rows nightshift.row_set[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  referencing constant regclass[] := array(
    select distinct k.conrelid::regclass
    from unnest(rows) r
    join pg_catalog.pg_trigger t on t.tgrelid = r.relation and t.tgisinternal
    join pg_catalog.pg_constraint k on k.oid = t.tgconstraint and k.contype = 'f' and k.confrelid = t.tgrelid
    where k.confdeltype in ('c', 'n', 'd')
  );
begin
  if cardinality(referencing) > 0 then
    -- As Postgres is about to lock them. From here on nobody hangs a trigger there, which would have our rights.
    execute format('lock table %s in row exclusive mode', array_to_string(referencing, ', '));
    perform nightshift.trusted_names(referencing::oid[]);
  end if;
end;
$$;

comment on function nightshift.hold_cascades is
  'Holds the tables that a deletion of rows cascades to until the end of the transaction, once nobody else could have code of theirs run there. Errors: NS422 (see trusted_name).';
