create or replace function nightshift.check_purgeable(relation regclass, what text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  kind "char";
  schema_name name;
  -- Whoever calls, not the owner of this function: a policy gives nobody a right to delete that they lack.
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
begin
  select c.relkind, n.nspname into kind, schema_name
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = relation;
  if kind not in ('r', 'p') then
    raise exception using
      errcode = 'NS422',
      message = format('%s is not a table', relation),
      hint = what || ' needs the table that holds the rows, not a view, a materialized view or a foreign table.';
  end if;
  if schema_name in ('pg_catalog', 'information_schema', 'nightshift', 'supabase_migrations') or schema_name like 'pg\_t%' then
    raise exception using
      errcode = 'NS422',
      message = format('%s belongs to the system or is temporary', relation),
      hint = 'Declare policies on tables of your application.';
  end if;
  if nightshift.advice_for_supabase_table(relation) is not null then
    raise exception using
      errcode = 'NS422',
      message = format('%s is kept by Supabase or an extension, which rely on its rows', relation),
      hint = nightshift.advice_for_supabase_table(relation);
  end if;
  if not has_table_privilege(caller, relation, 'delete') then
    raise exception using
      errcode = 'NS422',
      message = format('%s may not delete rows of %s', caller, relation),
      hint = format('Declare the policy as the owner of the table, or: grant delete on %s to %I;', relation, caller);
  end if;
  perform nightshift.require_trusted(relation::oid || array(
    select distinct k.referencing::oid from nightshift.referencing_keys(array[relation::oid]) k
  ));
  if not (
    has_table_privilege(relation, 'select')
    and has_table_privilege(relation, 'update')
    and has_table_privilege(relation, 'delete')
  ) then
    raise exception using
      errcode = 'NS422',
      message = format('%s may not select, lock and delete rows of %s', current_user, relation),
      hint = format('grant select, update, delete on %s to %I;', relation, current_user);
  end if;
  perform nightshift.require_no_rule(array(select nightshift.partitions_below(relation)), 'DELETE');
  perform nightshift.require_own_rows(relation);
end;
$$;

comment on function nightshift.check_purgeable is
  'Raises NS422, with the fix in the hint, unless rows of a table can be purged, and by whoever calls.';
