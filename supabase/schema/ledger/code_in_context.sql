create or replace function nightshift.code_in_context(context text)
returns table (depth bigint, function regprocedure, line integer)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  -- The statements between the lines of a context may quote rows, so what is passed on is from the catalog.
  select distinct on (c.depth) c.depth, p.oid::regprocedure, c.parts[4]::integer
  from regexp_matches(
    code_in_context.context,
    '^PL/pgSQL function (?:("(?:[^"\n]|"")+"|[^\s."(]+)\.)?("(?:[^"\n]|"")+"|[^\s."(]+)\(([^\n]*)\) line (\d{1,9}) at',
    'gn'
  ) with ordinality c(parts, depth)
  -- By the index: there are thousands.
  cross join lateral (
    select f.* from pg_catalog.pg_proc f
    where f.proname = case when c.parts[2] like '"%' then replace(substr(c.parts[2], 2, length(c.parts[2]) - 2), '""', '"') else c.parts[2] end::name
    offset 0
  ) p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname <> 'nightshift' and (c.parts[1] is null or quote_ident(n.nspname) = c.parts[1])
  order by c.depth, replace(oidvectortypes(p.proargtypes), ', ', ',') = c.parts[3] desc, p.oid;
end;
$$;

comment on function nightshift.code_in_context is
  'The PL/pgSQL functions of the application in a pg_exception_context, innermost first, each with the line that was executed.';
