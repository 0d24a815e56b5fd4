create or replace function nightshift.name_refusal(rows nightshift.row_set[], state text, violated text, context text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    -- A row that a trigger kept still refers to what went with it, which Postgres notices first.
    (
      select format('trigger %s on %s', string_agg(format('%I', t.tgname), ' or ' order by t.tgname), t.tgrelid::regclass)
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
      select format('trigger %I on %s (line %s of %s)', t.tgname, t.tgrelid::regclass, m.line, p.proname)
      from regexp_matches(context, '^PL/pgSQL function (?:[^\n]*\.)?"?([^\n."(]+)"?\([^\n]*\) line (\d+) at', 'gn')
        with ordinality f(match, position)
      cross join lateral (select f.match[1] as name, f.match[2] as line) m
      join pg_catalog.pg_proc p on p.proname = m.name
      join pg_catalog.pg_trigger t on t.tgfoid = p.oid and not t.tgisinternal
      order by t.tgrelid in (select r.relation from unnest(rows) r) desc, f.position, t.tgname
      limit 1
    ),
    (
      select format('trigger %s on %s', string_agg(format('%I', t.tgname), ' or ' order by t.tgname), t.tgrelid::regclass)
      from pg_catalog.pg_trigger t
      where t.tgrelid in (select r.relation from unnest(rows) r) and not t.tgisinternal
        and (t.tgtype & 8) = 8 and (state <> 'NS422' or (t.tgtype & 3) = 3)
      group by t.tgrelid
      order by t.tgrelid
      limit 1
    ),
    format('error %s', state)
  );
$$;

comment on function nightshift.name_refusal is
  'What refused to let rows go, by the name that the catalog has for it: a constraint, or a trigger with the line of its function.';
