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
  -- Whoever may not see a row learns nothing of it here: the calls that ask this have looked what their caller may change.
  if current_setting('nightshift.show_deleted', true) is distinct from 'on' then
    raise exception using
      errcode = 'NS403',
      message = 'hold_parents is part of a deletion or a restore',
      hint = 'Call nightshift.soft_delete, nightshift.restore or one of their plans.';
  end if;
  held := keys;
  locked := '[]';
  for edge in
    select s.relation as parent, c.oid
    from nightshift.soft_delete_cascades s
    join pg_catalog.pg_constraint c on c.conrelid = s.referencing and c.conname = s.constraint_name and c.contype = 'f'
    where s.referencing = hold_parents.relation and s.relation <> s.referencing
    order by s.relation::text, s.constraint_name
  loop
    parents_of := format('select %s as key from jsonb_to_recordset($1) as k(%s) join %s r on %s join %s p on %s',
      rules.key_object, rules.key_definition, nightshift.scan_of(relation), rules.key_match,
      nightshift.scan_of(edge.parent), nightshift.references_condition(edge.oid));
    execute format(
      'with held as materialized (%1$s for share of p%2$s) '
      || 'select (select jsonb_agg(n.key) from (%1$s except select h.key from held h) n)',
      parents_of, case when skip_locked then ' skip locked' else '' end)
    into locked_now using held;
    if skip_locked and locked_now is not null then
      locked := locked || locked_now;
      held := (
        select coalesce(jsonb_agg(e), '[]')
        from (select e from jsonb_array_elements(held) e except select e from jsonb_array_elements(locked_now) e) n(e)
      );
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
