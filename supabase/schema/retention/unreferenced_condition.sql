create or replace function nightshift.unreferenced_condition(relation regclass, keys nightshift.purge_key[])
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  key nightshift.purge_key;
  of_child text;
  condition text;
begin
  foreach key in array keys loop
    continue when not relation::oid = any(key.related);
    if key.role = 'child' then
      -- A child holds nothing, unless something holds the child.
      of_child := nightshift.unreferenced_condition(key.referencing, keys);
      continue when of_child is null;
      of_child := format(' and exists (select from (select x.*) t where not (%s))', of_child);
    else
      of_child := '';
    end if;
    condition := concat_ws(' and ', condition, format('not exists (select from %s x where %s%s)',
      nightshift.scan_of(key.referencing), nightshift.join_condition(key.key), of_child));
  end loop;
  return condition;
end;
$$;

comment on function nightshift.unreferenced_condition is
  'The SQL condition, for rows t of a table, that no row refers to them, or to children of theirs, but for these children; null when none can. keys: purge_keys of a policy whose children are no circle (see children_of_slice). Errors: NS404, NS422 (see trusted_name, trusted_operator).';
