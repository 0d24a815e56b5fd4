-- A foreign key does not see that a row is deleted, so a row could be added to it that nobody finds again.
-- Why FOR SHARE: a deletion under way is waited for, and one that comes later waits, and then takes the new row along.
-- Argument of the trigger: the foreign key.

create or replace function nightshift.guard_child()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  key record;
  parent nightshift.soft_delete_rules;
  child nightshift.soft_delete_rules;
  concerns text;
  is_concerned boolean;
  is_deleted boolean;
begin
  select c.oid, c.conrelid, c.confrelid::regclass as referenced, c.conname, array(
    select a.attname::text from pg_catalog.pg_attribute a where a.attrelid = c.conrelid and a.attnum = any(c.conkey)
  ) as columns, array(
    -- A restore looks at the parents by itself, of all rows at once.
    select m from nightshift.soft_delete_tables t cross join lateral unnest(array[t.marker_column, t.flag_column]) m
    where t.relation = c.conrelid and m is not null and coalesce(current_setting('nightshift.operation', true), '') = ''
  ) as marks
  into key
  from pg_catalog.pg_constraint c
  where c.contype = 'f' and c.conname = tg_argv[0] and c.conparentid = 0
    and (c.conrelid = tg_relid or c.conrelid in (select a from pg_partition_ancestors(tg_relid) a));
  if not found then
    return null;
  end if;
  if tg_op = 'UPDATE' then
    -- As text, by the types themselves: a cast to json may be anybody's code. A mark that is taken off is null or false.
    concerns := (
      select string_agg(c.condition, ' or ')
      from (
        select format('format(''%%s'', ($1).%1$I) is distinct from format(''%%s'', ($2).%1$I)', m) as condition from unnest(key.columns) m
        union all
        select format('format(''%%s'', ($1).%1$I) not in ('''', ''f'') and format(''%%s'', ($2).%1$I) in ('''', ''f'')', m) from unnest(key.marks) m
      ) c
    );
    execute format('select %s', concerns) into is_concerned using old, new;
    if not is_concerned then
      return null;
    end if;
  end if;
  parent := nightshift.soft_delete_rules(key.referenced, false);
  child := nightshift.soft_delete_rules(key.conrelid, false);
  execute format('select p%s from (select ($1).*) r join %s p on %s where not (%s) for share of p',
    substr(parent.deleted, 2), nightshift.scan_of(key.referenced), nightshift.references_condition(key.oid), child.deleted)
  into is_deleted using new;
  if is_deleted then
    raise exception using
      errcode = 'NS409',
      message = format('The row of %s that it would belong to is deleted', key.referenced),
      constraint = key.conname,
      hint = 'Restore that one first, or name another: nightshift.restore.';
  end if;
  return null;
end;
$$;

comment on function nightshift.guard_child is
  'Trigger of tables whose rows go along with those of another: refuses a row that is not deleted under one that is, when it is added, pointed to it or brought back by a plain update.';
