create or replace function nightshift.called_functions(query text)
returns table (function oid, calls text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  -- Postgres records no dependency on functions of its own, so the tree of the query has to say.
  with recursive called(function) as (
    select m[1]::oid
    from regexp_matches(called_functions.query, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') m
    union
    select below.oid
    from called
    cross join lateral (select f.* from pg_catalog.pg_proc f where f.oid = called.function offset 0) f
    left join lateral (select a.* from pg_catalog.pg_aggregate a where a.aggfnoid = f.oid offset 0) a on true
    cross join lateral (
      -- An aggregate is as trustworthy as what it is made of, a default argument or a body as what it calls.
      select s::oid
      from unnest(array[
        a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn,
        a.aggmfinalfn
      ]) s
      where s::oid <> 0
      union all
      select m[1]::oid
      from regexp_matches(
        concat(f.proargdefaults, f.prosqlbody), ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g'
      ) m
    ) below(oid)
  )
  select f.oid, concat(f.proargdefaults, f.prosqlbody)
  from called
  cross join lateral (select f.* from pg_catalog.pg_proc f where f.oid = called.function offset 0) f;
end;
$$;

comment on function nightshift.called_functions is
  'The functions that a query calls, given its tree as pg_rewrite keeps it: also through operators, aggregates, default arguments and SQL bodies, each with the trees of its own (calls).';
