create or replace function nightshift.name_refusal(rows nightshift.row_set[], state text, violated text, context text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  return (
    select coalesce(
      -- A row that a trigger kept still refers to what went with it, which Postgres notices first.
      (
        select nightshift.name_triggers(t.tgrelid, array_agg(t.oid))
        from pg_catalog.pg_constraint c
        join pg_catalog.pg_trigger t on t.tgrelid = c.conrelid and not t.tgisinternal and (t.tgtype & 11) = 11
        where c.conname = violated and c.contype = 'f' and state in ('23503', '23001')
          and c.conrelid in (select r.relation from unnest(rows) r)
        group by t.tgrelid
        order by t.tgrelid
        limit 1
      ),
      -- A trigger can put anything into the fields of an error: only names that are in the catalog are passed on.
      (
        select format('constraint %I on %s', c.conname, c.conrelid::regclass)
        from pg_catalog.pg_constraint c
        where c.conname = violated and c.conrelid <> 0 and state like '23%'
        order by c.conrelid in (select r.relation from unnest(rows) r) desc, c.oid
        limit 1
      ),
      (
        select nightshift.name_triggers(t.tgrelid, array_agg(t.oid), case
          when c.raised then format('line %s of %s', c.line, c.function)
          else format('%s, called in line %s of %s', nightshift.place_in_code(context), c.line, c.function) end)
        from (select f.*, f.depth = min(f.depth) over () as raised from nightshift.code_in_context(context) f) c
        join pg_catalog.pg_trigger t on t.tgfoid = c.function and not t.tgisinternal
        group by c.depth, c.raised, c.line, c.function, t.tgrelid, t.tgtype & 8
        order by
          t.tgrelid in (select r.relation from unnest(rows) r) desc,
          -- A row that goes by a cascade fires the triggers of its own table.
          exists (
            select from pg_catalog.pg_constraint k
            where k.contype = 'f' and k.conrelid = t.tgrelid and k.confrelid in (select r.relation from unnest(rows) r)
          ) desc,
          t.tgtype & 8 desc, c.depth, t.tgrelid
        limit 1
      ),
      (
        select nightshift.name_triggers(t.tgrelid, array_agg(t.oid))
        from pg_catalog.pg_trigger t
        where t.tgrelid in (select r.relation from unnest(rows) r) and not t.tgisinternal
          and (t.tgtype & 8) = 8 and (state <> 'NS422' or (t.tgtype & 3) = 3)
        group by t.tgrelid
        order by t.tgrelid
        limit 1
      ),
      format('error %s', state)
    )
  );
end;
$$;

comment on function nightshift.name_refusal is
  'What refused to let rows go, by the name that the catalog has for it: a constraint, or a trigger with its function and, where it raised, the line.';
