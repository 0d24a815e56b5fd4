create or replace function nightshift.check_restore(policy nightshift.retention_policies)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Whoever calls, not the owner of the function: it gives nobody a right to change rows that they lack.
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  wrong text;
begin
  if not has_table_privilege(caller, policy.relation, 'update') then
    raise exception using
      errcode = 'NS422',
      message = format('%s may not update rows of %s', caller, policy.relation),
      hint = format('Restore as the owner of the table, or: grant update on %s to %I;', policy.relation, caller);
  end if;
  perform nightshift.trusted_name(policy.relation);
  -- It says so where the columns of the policy are not what they were.
  perform nightshift.due_by_marker('r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, now());

  select case
    when a.attname = policy.marker_column and nightshift.is_set_by_default(policy.relation, a.attname)
      then format('%I of %s is set when a row is written, and says nothing of its deletion', a.attname, policy.relation)
    when a.attnotnull then format('%I of %s cannot be null, so a row that has one is not a deleted one', a.attname, policy.relation)
    when a.attgenerated <> '' then format('%I of %s is generated', a.attname, policy.relation)
  end into wrong
  from pg_catalog.pg_attribute a
  where a.attrelid = policy.relation and a.attname in (policy.marker_column, policy.flag_column)
    and (
      a.attgenerated <> ''
      or a.attname = policy.marker_column and (a.attnotnull or nightshift.is_set_by_default(policy.relation, a.attname))
    )
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = wrong,
      hint = 'Rows can be restored where they are marked as deleted, by a column that is null in those that are not.';
  end if;
end;
$$;

comment on function nightshift.check_restore is
  'Raises NS422, with the fix in the hint, unless the rows of a policy can be restored, and by whoever calls.';
