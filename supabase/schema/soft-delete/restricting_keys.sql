create or replace function nightshift.restricting_keys(
  relation regclass, out referencing regclass, out constraint_name name, out count_query text
)
returns setof record
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  parent nightshift.soft_delete_rules;
  referencing_rules nightshift.soft_delete_rules;
  key record;
begin
  for key in
    select c.oid, c.conrelid::regclass as referencing, c.conname, exists (
      select from nightshift.soft_delete_tables t where t.relation = c.conrelid
    ) as has_rules
    from pg_catalog.pg_constraint c
    where c.confrelid = restricting_keys.relation and c.contype = 'f' and c.confdeltype = 'r' and c.conparentid = 0
      and not exists (
        select from nightshift.soft_delete_cascades s
        where s.relation = c.confrelid and s.referencing = c.conrelid and s.constraint_name = c.conname
      )
    order by c.conrelid::regclass::text, c.conname
  loop
    parent := coalesce(parent, nightshift.soft_delete_rules(restricting_keys.relation));
    referencing := key.referencing;
    constraint_name := key.conname;
    referencing_rules := case when key.has_rules then nightshift.soft_delete_rules(key.referencing, false) end;
    count_query := format(
      'select count(*) from (select from (select r.* from jsonb_to_recordset($1) as k(%s) join %s r on %s) p join %s r on %s%s limit 1000) n',
      parent.key_definition, nightshift.scan_of(relation), parent.key_match, nightshift.scan_of(key.referencing),
      nightshift.references_condition(key.oid),
      case when key.has_rules then format(' where not (%s) and %s not in (select jsonb_array_elements($2))', referencing_rules.deleted, referencing_rules.key_object)
        else ' where $2 is not null' end);
    return next;
  end loop;
end;
$$;

comment on function nightshift.restricting_keys is
  'The foreign keys with ON DELETE RESTRICT that refer to a table and along which its deletions do not go on, each with a query for how many rows refer to the rows with the keys $1, 1,000 at most, those with the keys $2 not counted. Errors: NS422 a table of someone else.';
