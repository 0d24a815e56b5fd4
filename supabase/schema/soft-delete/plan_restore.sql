-- What restore_operation would meet, before anybody waits for it in vain.
-- Rights: those of the caller, row level security included.
-- Locks: ACCESS SHARE. Nothing keeps what is found from changing until the restore.

create or replace function nightshift.plan_restore(
  operation uuid default null,
  relation regclass default null,
  keys jsonb default null,
  since timestamptz default null
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  most_conflicts constant integer := 1000;
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  among regclass[];
  rules nightshift.soft_delete_rules;
  page record;
  last_key jsonb;
  rows bigint;
  not_deleted bigint := 0;
  not_found bigint := 0;
  edge record;
  in_the_way jsonb;
  tables jsonb := '[]';
  conflicts jsonb := '[]';
  context text;
begin
  if num_nonnulls(operation, keys, since) <> 1 or (operation is null) <> (relation is not null) then
    raise exception using
      errcode = 'NS422',
      message = 'A restore is that of an operation, or of a table by keys or since a moment',
      hint = 'Pass the operation alone, as soft_delete returns it and deletion_id of each row has it; or relation => ''public.orders'' with keys => ''[1, 2]'' or since => ''2026-03-01T12:00:00Z''.';
  end if;
  perform set_config('nightshift.show_deleted', 'on', true);
  among := case when operation is null then array[relation]
    else array(select nightshift.soft_delete_tables_of_operation(operation)) end;
  foreach relation in array among loop
    rules := nightshift.soft_delete_rules(relation);
    rows := 0;
    last_key := null;
    loop
      if operation is not null then
        select r.* into page from nightshift.rows_of_operation(relation, operation, 10000, last_key) r;
      elsif since is not null then
        select r.* into page from nightshift.rows_since(relation, since, 10000, last_key) r;
      else
        select f.deleted as keys, jsonb_array_length(f.deleted) as rows, null::jsonb as last_key, f.asked, jsonb_array_length(f.active) as active
        into page from nightshift.find_rows(relation, nightshift.keys_asked(relation, rules.key_names, keys), 'none') f;
        not_deleted := page.active;
        not_found := page.asked - page.active - page.rows;
      end if;
      exit when page.rows = 0;
      rows := rows + page.rows;
      last_key := page.last_key;
      for edge in
        select 'unique' as kind, c.relname::text as "constraint", u.in_the_way
        from nightshift.unique_conflicts(relation) u join pg_catalog.pg_class c on c.oid = u.index_name
        union all
        select 'parent_deleted', p.constraint_name::text, p.in_the_way from nightshift.edges_to_parents(relation) p
      loop
        -- Once there are too many to show, only the rows are counted.
        exit when jsonb_array_length(conflicts) > most_conflicts;
        execute edge.in_the_way into in_the_way using since, page.keys, operation;
        conflicts := conflicts || coalesce((
          select jsonb_agg(jsonb_build_object('relation', relation::text, 'key', b.key, 'kind', edge.kind, 'constraint', edge."constraint",
            'blocking', b.blocking) order by b.key)
          from (
            select case when single then e -> 'key' -> rules.key_names[1] else e -> 'key' end as key,
              case when single then e -> 'blocking' -> rules.key_names[1] else e -> 'blocking' end as blocking
            from jsonb_array_elements(in_the_way) e
            cross join lateral (select edge.kind = 'unique' and cardinality(rules.key_names) = 1 as single) s
            limit most_conflicts + 1
          ) b
        ), '[]');
      end loop;
      exit when page.rows < 10000 or keys is not null;
    end loop;
    if rows > 0 or operation is null then
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
    'notDeleted', not_deleted,
    'notFound', not_found,
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
  'What restore_operation, restore or restore_since would restore with the same operation, keys or moment, and what is in its way, with nothing changed: {tables: [{relation, rows}], notDeleted, notFound: of the keys that were asked for, conflicts: [{relation, key, kind: unique (an active row has its value, or another that comes back before it, looked for among 10,000 rows at a time) or parent_deleted (it belongs to a deleted row that does not come back with it), constraint, blocking: the key of that row}], moreConflicts: whether there are more than the 1,000 shown}. A row that belongs to one of those that are shown stays deleted with it. Only the restore itself tells what a trigger or a unique index of an expression says. The rights are those of the caller, row level security included. A single key that is not there or not deleted is counted. Errors: NS404 the operation has no such rows, or soft delete is not enabled; NS403 not for users; NS422.';
