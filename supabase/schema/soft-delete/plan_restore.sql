-- What restore_operation would meet, before anybody waits for it in vain.
-- Rights: those of the caller, row level security included.
-- Locks: ACCESS SHARE. Nothing keeps what is found from changing until the restore.

create or replace function nightshift.plan_restore(operation uuid)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  most_conflicts constant integer := 1000;
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  relation regclass;
  rules nightshift.soft_delete_rules;
  page record;
  last_key jsonb;
  rows bigint;
  edge record;
  blocking jsonb;
  tables jsonb := '[]';
  conflicts jsonb := '[]';
  context text;
begin
  if operation is null then
    raise exception using errcode = 'NS422', message = 'operation must be given', hint = 'soft_delete returns it, and deletion_id of each row has it.';
  end if;
  perform set_config('nightshift.show_deleted', 'on', true);
  for relation in select t from nightshift.soft_delete_tables_of_operation(operation) t loop
    rules := nightshift.soft_delete_rules(relation);
    rows := 0;
    last_key := null;
    loop
      select r.* into page from nightshift.rows_of_operation(relation, operation, 10000, last_key) r;
      exit when page.rows = 0;
      rows := rows + page.rows;
      last_key := page.last_key;
      for edge in
        select 'unique' as kind, c.relname::text as "constraint", u.blocking
        from nightshift.unique_conflicts(relation) u join pg_catalog.pg_class c on c.oid = u.index_name
        union all
        select 'parent_deleted', p.constraint_name::text, p.blocking from nightshift.edges_to_parents(relation) p
      loop
        -- Once there are too many to show, only the rows are counted.
        exit when jsonb_array_length(conflicts) > most_conflicts;
        execute edge.blocking into blocking using page.keys, operation;
        conflicts := conflicts || coalesce((
          select jsonb_agg(jsonb_build_object('relation', relation::text, 'key', b.key, 'kind', edge.kind, 'constraint', edge."constraint",
            'blocking', b.blocking) order by b.key)
          from (
            select case when single then e -> 'key' -> rules.key_names[1] else e -> 'key' end as key,
              case when single then e -> 'blocking' -> rules.key_names[1] else e -> 'blocking' end as blocking
            from jsonb_array_elements(blocking) e
            cross join lateral (select edge.kind = 'unique' and cardinality(rules.key_names) = 1 as single) s
            limit most_conflicts + 1
          ) b
        ), '[]');
      end loop;
      exit when page.rows < 10000;
    end loop;
    if rows > 0 then
      tables := tables || jsonb_build_object('relation', relation::text, 'rows', rows);
    end if;
  end loop;
  perform set_config('nightshift.show_deleted', shown_before, true);
  if tables = '[]' then
    raise exception using
      errcode = 'NS404',
      message = format('Operation %s has no deleted rows, or none for %s', operation, current_user),
      hint = 'They were restored or purged already, or belong to tables that are not for users.';
  end if;
  return jsonb_build_object(
    'tables', tables,
    'conflicts', (select coalesce(jsonb_agg(c.e order by c.n), '[]') from jsonb_array_elements(conflicts) with ordinality c(e, n) where c.n <= most_conflicts),
    'moreConflicts', jsonb_array_length(conflicts) > most_conflicts
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.plan_restore is
  'What restore_operation would restore and what is in its way, with nothing changed: {tables: [{relation, rows}], conflicts: [{relation, key, kind: unique (an active row has taken its value) or parent_deleted (it belongs to a row that another operation deleted), constraint, blocking: the key of that row}], moreConflicts: whether there are more than the 1,000 shown}. Only the restore itself tells what a trigger or a unique index of an expression says. The rights are those of the caller, row level security included. Errors: NS404 no such rows, NS422.';
