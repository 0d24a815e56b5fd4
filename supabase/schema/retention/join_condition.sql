create or replace function nightshift.join_condition(key oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select string_agg(format('t.%I%s%s %s x.%I%s%s',
      referenced.attname, o.cast_left, l.collated, o.name, referencing.attname, o.cast_right, l.collated), ' and ')
    from pg_catalog.pg_constraint k
    cross join lateral unnest(k.conkey, k.confkey, k.conpfeqop) u(conkey, confkey, operator)
    join pg_catalog.pg_attribute referencing on referencing.attrelid = k.conrelid and referencing.attnum = u.conkey
    join pg_catalog.pg_attribute referenced on referenced.attrelid = k.confrelid and referenced.attnum = u.confkey
    cross join lateral nightshift.trusted_operator(u.operator) o
    cross join lateral (
      select coalesce((
        select format(' collate %I.%I', n.nspname, c.collname)
        from pg_catalog.pg_collation c join pg_catalog.pg_namespace n on n.oid = c.collnamespace
        where referenced.attcollation <> referencing.attcollation
          and c.oid = nightshift.key_collation(referenced.attcollation, referencing.attcollation)
      ), '')
    ) l(collated)
    where k.oid = key
  );
end;
$$;

comment on function nightshift.join_condition is
  'The SQL condition on which rows of a foreign key belong together: t is the referenced table, x the referencing one. Errors: NS422 (see trusted_operator).';
