create or replace function nightshift.deleted_parent(relation regclass, keys jsonb)
returns regclass
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation, false);
  parent nightshift.soft_delete_rules;
  edge record;
  any_deleted boolean;
  context text;
begin
  -- Whoever may not see a row learns nothing of it here: the calls that ask this have looked what their caller may change.
  if current_setting('nightshift.show_deleted', true) is distinct from 'on' then
    raise exception using
      errcode = 'NS403',
      message = 'deleted_parent is part of a deletion or a restore',
      hint = 'Call nightshift.soft_delete, nightshift.restore or one of their plans.';
  end if;
  for edge in
    select s.relation as parent, c.oid
    from nightshift.soft_delete_cascades s
    join pg_catalog.pg_constraint c on c.conrelid = s.referencing and c.conname = s.constraint_name and c.contype = 'f'
    where s.referencing = deleted_parent.relation
    order by s.relation::text, s.constraint_name
  loop
    parent := nightshift.soft_delete_rules(edge.parent, false);
    execute format('select exists (select from jsonb_to_recordset($1) as k(%s) join %s r on %s join %s p on %s where p%s)',
      rules.key_definition, nightshift.scan_of(relation), rules.key_match,
      nightshift.scan_of(edge.parent), nightshift.references_condition(edge.oid), substr(parent.deleted, 2))
    into any_deleted using keys;
    if any_deleted then
      return edge.parent;
    end if;
  end loop;
  return null;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.deleted_parent is
  'A table in which a row is deleted that rows with these keys refer to, by foreign keys that deletions go along; null for none. It sees all rows, as a foreign key does: a parent that the caller cannot see is deleted just the same. Errors: NS403 called by itself, and see soft_delete_rules.';
