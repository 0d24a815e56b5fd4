create or replace function nightshift.warn_of_heirs(relation regclass)
returns setof text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_catalog.pg_class c where c.oid = relation and c.relkind = 'r' and c.relhassubclass) then
    return;
  end if;
  return query
  with recursive heirs(oid) as (
    select i.inhrelid
    from pg_catalog.pg_inherits i
    where i.inhparent = warn_of_heirs.relation
    union
    select i.inhrelid from heirs h join pg_catalog.pg_inherits i on i.inhparent = h.oid
  )
  select format(
    'The rows of %s, which inherit from %s, are not purged with it: each needs a policy of its own. Fix: select nightshift.add_retention_policy(%L, %L, marker_column => %L%s);',
    nightshift.name_some(array_agg(h.oid order by h.oid)), p.relation,
    (min(h.oid::bigint)::oid)::regclass, p.drop_after, p.marker_column,
    case when p.flag_column is not null then format(', flag_column => %L', p.flag_column) end
  )
  from heirs h
  join nightshift.retention_policies p on p.relation = warn_of_heirs.relation
  where not exists (select 1 from nightshift.retention_policies o where o.relation = h.oid)
  group by p.relation, p.drop_after, p.marker_column, p.flag_column;
end;
$$;

comment on function nightshift.warn_of_heirs is
  'A sentence with the fix where tables inherit from one with a policy and have none themselves: a purge looks at the rows of the table alone.';
