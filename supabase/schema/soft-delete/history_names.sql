create or replace function nightshift.history_names(relation regclass)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select array[relation::text] || array(
    select t.relation_name
    from nightshift.soft_delete_tables t
    where t.relation = history_names.relation and t.relation_name <> relation::text
      -- Another may have taken its name since.
      and not exists (select from nightshift.soft_delete_tables o where o.relation = to_regclass(t.relation_name))
  );
$$;

comment on function nightshift.history_names is
  'The names under which the history has a table: its own and, once it was renamed, the one before, until enable_soft_delete has the history follow.';
