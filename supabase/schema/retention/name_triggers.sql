create or replace function nightshift.name_triggers(relation regclass, triggers oid[], place text default null)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('trigger %s on %s (%s)',
    string_agg(format('%I', t.tgname), ' or ' order by t.tgname),
    relation,
    coalesce(place, string_agg(distinct t.tgfoid::regprocedure::text, ' or ')))
  from pg_catalog.pg_trigger t
  where t.oid = any(triggers)
$$;

comment on function nightshift.name_triggers is
  'In words: triggers of a table, with the place in the code where one of them raised, or else their functions.';
