create or replace function nightshift.declare_cascades(relation regclass, cascade text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if cascade is null then
    return;
  end if;
  delete from nightshift.soft_delete_cascades s where s.relation = declare_cascades.relation;
  insert into nightshift.soft_delete_cascades (relation, referencing, constraint_name)
  select declare_cascades.relation, c.conrelid, c.conname
  from pg_catalog.pg_constraint c where c.oid = any(nightshift.cascade_keys(relation, cascade));
end;
$$;

comment on function nightshift.declare_cascades is
  'Replaces the foreign keys along which deletions in a table go on; null leaves them as they are. Errors: see cascade_keys.';
