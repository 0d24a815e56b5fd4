create or replace function nightshift.follow_rename(relation regclass, former_name text)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  update nightshift.deletion_events e
  set relation_name = relation::text
  where e.relation_name = former_name
    -- What was written since soft delete was enabled for another table of that name is the other's.
    and e.at < coalesce((select o.created_at from nightshift.soft_delete_tables o where o.relation = to_regclass(former_name)), 'infinity');
$$;

comment on function nightshift.follow_rename is
  'Gives the entries that the history has of a table under a former name the name that it has now.';
