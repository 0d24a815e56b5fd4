create or replace function nightshift.check_release(key oid)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  named record;
  -- Whoever calls, not the owner of this function: a policy gives nobody a right to change rows that they lack.
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  stuck name;
begin
  select c.conrelid::regclass as referencing, c.confdeltype as action
  into named
  from pg_catalog.pg_constraint c where c.oid = key;
  if named.action not in ('n', 'd') then
    raise exception using
      errcode = 'NS422',
      message = format('The foreign key %s does not say what becomes of a reference', nightshift.key_in_words(key)),
      detail = 'release sets a reference to null or default as the ON DELETE of its key says, and this one says neither.',
      hint = 'Add the key anew with on delete set null, if its columns may be null, or use with_children or keep.';
  end if;
  if not has_table_privilege(caller, named.referencing, 'update') then
    raise exception using
      errcode = 'NS422',
      message = format('%s may not update rows of %s', caller, named.referencing),
      hint = format('Declare the policy as the owner of the table, or: grant update on %s to %I;', named.referencing, caller);
  end if;
  perform nightshift.require_trusted(array[named.referencing::oid]);
  perform nightshift.require_no_rule(array(select nightshift.partitions_below(named.referencing)), 'UPDATE');
  stuck := nightshift.stuck_column(key);
  if stuck is not null then
    raise exception using
      errcode = 'NS422',
      message = format('%I of %s cannot be null, so its reference cannot be released', stuck, named.referencing),
      hint = format('alter table %s alter %I drop not null; or use with_children or keep.', named.referencing, stuck);
  end if;
end;
$$;

comment on function nightshift.check_release is
  'Raises NS422, with the fix in the hint, unless the references of a foreign key can be set to null or default, and by whoever calls.';
