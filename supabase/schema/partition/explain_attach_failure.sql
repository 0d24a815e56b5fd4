create or replace function nightshift.explain_attach_failure(
  record nightshift.retired_partitions,
  state text,
  said text,
  table_name text,
  constraint_name text,
  out detail text,
  out hint text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  unchecked name;
  default_partition regclass;
begin
  select t.partdefid into default_partition
  from pg_catalog.pg_partitioned_table t
  join pg_catalog.pg_class c on c.oid = t.partdefid
  where t.partrelid = record.parent and c.relname = table_name;
  -- Since Postgres 18 NOT NULL is a constraint, which can be there without having been checked.
  select k.conname into unchecked
  from pg_catalog.pg_constraint k
  where k.conrelid = record.partition and k.contype = 'n' and not k.convalidated
  limit 1;
  if state = '23514' and default_partition is not null then
    detail := format('The default partition %s has rows of its time, from %s to %s.', default_partition, lower(record.period), upper(record.period));
    hint := format('Move them to %s, and try again.', record.partition);
  elsif state = '23514' then
    detail := format('It has rows of another time than its own, from %s to %s.', lower(record.period), upper(record.period));
    hint := format('Move them to %s, and try again.', record.parent);
  elsif state like '23%' then
    -- What Postgres says of a row may quote it.
    detail := format('%s has gained %s, which rows of %s do not satisfy.', record.parent,
      coalesce(format('a constraint like %s', nullif(constraint_name, '')), 'a NOT NULL'), record.partition);
    hint := format('Mend those rows, and try again; or read them from %s, which stays a table of its own.', record.partition);
  elsif unchecked is not null and said like '%NOT VALID%' then
    detail := said;
    hint := format('alter table %s validate constraint %I; and try again.', record.partition, unchecked);
  elsif state = '42P16' then
    detail := said;
    hint := format('Postgres does not recognise a key without overlaps, and makes it anew: %s and try again.', (
      select format('alter table %s drop constraint %I;', record.partition, k.conname)
      from pg_catalog.pg_constraint k where k.conrelid = record.partition and k.contype = 'p'
    ));
  elsif state = '42P17' then
    detail := said;
    hint := format('Another partition holds its time now: insert into %s select * from %s;', record.parent, record.partition);
  else
    detail := said;
    hint := format('%s has changed since: give %s the same columns and constraints.', record.parent, record.partition);
  end if;
end;
$$;

comment on function nightshift.explain_attach_failure is
  'Why Postgres did not attach a retired partition again, and what to do, without contents of rows. state, said, table_name, constraint_name: of its error.';
