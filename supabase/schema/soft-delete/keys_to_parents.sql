create or replace function nightshift.keys_to_parents(relation regclass, out parent regclass, out key oid)
returns setof record
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select s.relation, c.oid
  from nightshift.soft_delete_cascades s
  join pg_catalog.pg_constraint c on c.conrelid = s.referencing and c.conname = s.constraint_name and c.contype = 'f'
  where s.referencing = keys_to_parents.relation
  order by s.relation::text, s.constraint_name;
end;
$$;

comment on function nightshift.keys_to_parents is
  'The foreign keys of a table along which deletions come to it, each with the table that it refers to, in the order in which parents are locked.';
