create or replace function nightshift.describe_delete_triggers(relation regclass)
returns setof text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select format(
    'Deletions fire %s. In a purge, current_setting(''nightshift.run_id'', true) is the id of its run; otherwise it is null or empty.',
    string_agg(distinct format('trigger %I (%s)', t.tgname, t.tgfoid::regprocedure), ' and ')
  )
  from pg_catalog.pg_trigger t
  join pg_catalog.pg_class c on c.oid = t.tgrelid
  where t.tgrelid in (
      select describe_delete_triggers.relation
      union all
      select l from nightshift.all_leaf_relations(describe_delete_triggers.relation) l
    )
    and not t.tgisinternal
    -- The copies that partitions have of a trigger of their table.
    and t.tgparentid = 0
    and t.tgenabled <> 'D'
    and t.tgtype & 8 = 8
    -- A statement trigger of a partitioned table is warned of: it does not fire.
    and (t.tgtype & 1 = 1 or c.relkind = 'r')
  having count(*) > 0;
end;
$$;

comment on function nightshift.describe_delete_triggers is
  'A sentence that names the triggers of the application that a purge of the table fires, and says how they tell it from a user.';
