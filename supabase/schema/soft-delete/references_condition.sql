create or replace function nightshift.references_condition(key oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select string_agg(format('p.%I%s %s r.%I%s', pa.attname, o.cast_left, o.name, ra.attname, o.cast_right), ' and ' order by u.position)
    from pg_catalog.pg_constraint c
    cross join lateral unnest(c.confkey, c.conkey, c.conpfeqop) with ordinality u(referenced, referencing, operator, position)
    join pg_catalog.pg_attribute pa on pa.attrelid = c.confrelid and pa.attnum = u.referenced
    join pg_catalog.pg_attribute ra on ra.attrelid = c.conrelid and ra.attnum = u.referencing
    cross join lateral nightshift.trusted_operator(u.operator) o
    where c.oid = references_condition.key
  );
end;
$$;

comment on function nightshift.references_condition is
  'The SQL condition under which a row r refers to a row p by a foreign key, with the operators of the key. Errors: see trusted_operator.';
