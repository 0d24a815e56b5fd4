-- A row that comes back while what it belongs to is being deleted would be left alone with a deleted parent: neither of the two
-- sees what the other has not committed yet.

create or replace function nightshift.hold_parents(
  relation regclass, keys jsonb, skip_locked boolean default false,
  out held jsonb, out locked jsonb
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  edge record;
  parents_of text;
  locked_now jsonb;
  context text;
begin
  perform nightshift.require_call('hold_parents');
  held := keys;
  locked := '[]';
  for edge in select k.* from nightshift.keys_to_parents(relation) k where k.parent <> relation loop
    if skip_locked then
      parents_of := format('select %s as key from jsonb_to_recordset($1) as k(%s) join %s r on %s join %s p on %s',
        rules.key_object, rules.key_definition, nightshift.scan_of(relation), rules.key_match,
        nightshift.scan_of(edge.parent), nightshift.references_condition(edge.key));
      execute format(
        'with held as materialized (%1$s for share of p skip locked) select jsonb_agg(n.key) from (%1$s except select h.key from held h) n',
        parents_of)
      into locked_now using held;
      locked := locked || coalesce(locked_now, '[]');
      held := (
        select coalesce(jsonb_agg(e), '[]')
        from (select e from jsonb_array_elements(held) e except select e from jsonb_array_elements(locked) e) n(e)
      );
    else
      -- Each of them once, in the order in which soft_delete locks.
      execute format('select count(*) from (select from %s p where exists (select from %s r where %s and %s) order by %s for share of p) h',
        nightshift.scan_of(edge.parent), nightshift.scan_of(relation), rules.is_asked, nightshift.references_condition(edge.key),
        (select string_agg(format('p.%I', k.name), ', ' order by k.position) from nightshift.key_of(edge.parent) k))
      using held;
    end if;
  end loop;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.hold_parents is
  'Keeps the rows to which the rows with these keys refer, by foreign keys that deletions go along, from being deleted until the transaction ends. Returns those keys, and locked: those of them, with skip_locked, whose parents another session has locked; else it waits. Errors: 55P03, NS403 called by itself, and see soft_delete_rules.';
