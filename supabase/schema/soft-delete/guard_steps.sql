create or replace function nightshift.guard_steps(relation regclass, guarded_keys oid[] default null)
returns setof nightshift.ddl_step
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select case
      when e.guarded then format(
        'create trigger %I after insert or update on %s for each row execute function nightshift.guard_child(%L);',
        e.trigger_name, nightshift.trusted_name(e.referencing), e.constraint_name)
      else format('drop trigger %I on %s;', e.trigger_name, nightshift.trusted_name(e.referencing)) end,
    case when e.guarded then format('No row can be added to a deleted row of %s, pointed to it, or brought back under it.', guard_steps.relation)
      else 'It is no longer asked for.' end,
    case when e.guarded then format('SHARE ROW EXCLUSIVE on %s for a moment', e.referencing)
      else format('ACCESS EXCLUSIVE on %s for a moment, once it has it', e.referencing) end,
    false
  from (
    select c.conrelid::regclass as referencing, c.conname as constraint_name, coalesce(c.oid = any(guarded_keys), s.guarded, false) as guarded,
      left('zz_nightshift_guard_' || c.conname, 63)::name as trigger_name
    from pg_catalog.pg_constraint c
    left join nightshift.soft_delete_cascades s
      on s.relation = c.confrelid and s.referencing = c.conrelid and s.constraint_name = c.conname
    where c.contype = 'f' and c.conparentid = 0 and c.confrelid = guard_steps.relation
  ) e
  left join pg_catalog.pg_trigger t
    on t.tgrelid = e.referencing and t.tgname = e.trigger_name and t.tgfoid = to_regprocedure('nightshift.guard_child()')
  where e.guarded <> coalesce(t.tgenabled = 'O', false)
  order by e.referencing::text, e.constraint_name;
end;
$$;

comment on function nightshift.guard_steps is
  'The statements that give the tables whose rows go along with those of a table the triggers of guard, or take them away; none when they are so. guarded_keys: the foreign keys that are to have them; null: as soft_delete_cascades says.';
