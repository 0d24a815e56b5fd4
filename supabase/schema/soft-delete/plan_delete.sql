-- What soft_delete would do, found along the same foreign keys, and not done.
-- Rights: those of the caller, row level security included, so that what is shown is what would go.
-- Locks: FOR KEY SHARE on the rows, since what a user may change is a question that only a lock asks.

create or replace function nightshift.plan_delete(relation regclass, keys jsonb)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  rules nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  asked_keys constant jsonb := nightshift.keys_asked(relation, rules.key_names, keys);
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  tables regclass[] := array[relation];
  key_sets jsonb[] := array[asked_keys];
  via text[] := array[null];
  position integer := 1;
  rows_found record;
  going jsonb := '{}';
  new_keys jsonb;
  steps jsonb := '[]';
  restricted jsonb := '[]';
  answer jsonb;
  edge record;
  children jsonb;
  context text;
begin
  perform set_config('nightshift.show_deleted', 'on', true);
  while position <= cardinality(tables) loop
    if position > 1 then
      rules := nightshift.soft_delete_rules(tables[position]);
    end if;
    select f.* into rows_found from nightshift.find_rows(tables[position], key_sets[position], 'key share') f;
    if position = 1 then
      answer := jsonb_build_object(
        'alreadyDeleted', jsonb_array_length(rows_found.deleted),
        'notFound', rows_found.asked - jsonb_array_length(rows_found.active) - jsonb_array_length(rows_found.deleted)
      );
    end if;
    -- A row that goes by two foreign keys goes by the first, and a circle of rows has an end.
    new_keys := (
      select coalesce(jsonb_agg(n.key), '[]')
      from (
        select e as key from jsonb_array_elements(rows_found.active) e
        except
        select e from jsonb_array_elements(going -> rules.relation::text) e
      ) n
    );
    if new_keys <> '[]' then
      select restricted || coalesce(jsonb_agg(to_jsonb(r)), '[]') into restricted
      from (
        select r.referencing::text as referencing, r.constraint_name as "constraint", r.rows
        from nightshift.restricting_rows(tables[position], new_keys, going) r
      ) r;
      steps := steps || jsonb_build_object('relation', rules.relation::text, 'rows', jsonb_array_length(new_keys), 'via', via[position]);
      going := going || jsonb_build_object(rules.relation::text, coalesce(going -> rules.relation::text, '[]') || new_keys);
      for edge in select e.* from nightshift.edges_to_children(rules.relation) e loop
        execute edge.children into children using new_keys;
        if children is not null then
          tables := tables || edge.referencing;
          key_sets := key_sets || children;
          via := via || edge.constraint_name::text;
        end if;
      end loop;
    end if;
    position := position + 1;
  end loop;
  perform set_config('nightshift.show_deleted', shown_before, true);
  return answer || jsonb_build_object(
    'tables', (
      select coalesce(jsonb_agg(to_jsonb(t) - 'first' order by t.first), '[]')
      from (
        select s ->> 'relation' as relation, sum((s ->> 'rows')::bigint) as rows, s ->> 'via' as via, min(n) as first
        from jsonb_array_elements(steps) with ordinality e(s, n)
        group by 1, 3
      ) t
    ),
    'restricted', (
      select coalesce(jsonb_agg(to_jsonb(t) order by t.referencing, t."constraint"), '[]')
      from (
        select r ->> 'referencing' as referencing, r ->> 'constraint' as "constraint", sum((r ->> 'rows')::bigint) as rows
        from jsonb_array_elements(restricted) r
        group by 1, 2
      ) t
    ),
    'hash', nightshift.deletion_hash(asked_keys, steps)
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.plan_delete is
  'What soft_delete of these keys would delete, with nothing changed: {tables: [{relation, rows, via: the foreign key by which they go along, null for the rows themselves}], restricted: [{referencing, constraint, rows: 1,000 at most for each table}], what keeps it from being done, alreadyDeleted, notFound: not there, or not for this user, hash}. Pass hash to soft_delete as confirmed, and it is done only while it is still that. The rights are those of the caller, row level security included. Errors: NS403, NS404, NS422 as of soft_delete.';
