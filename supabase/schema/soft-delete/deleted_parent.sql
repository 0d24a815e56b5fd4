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
  perform nightshift.require_call('deleted_parent');
  for edge in select k.* from nightshift.keys_to_parents(relation) k loop
    parent := nightshift.soft_delete_rules(edge.parent, false);
    execute format('select exists (select from jsonb_to_recordset($1) as k(%s) join %s r on %s join %s p on %s where p%s)',
      rules.key_definition, nightshift.scan_of(relation), rules.key_match,
      nightshift.scan_of(edge.parent), nightshift.references_condition(edge.key), substr(parent.deleted, 2))
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
