create or replace function nightshift.free_partition_name(parent regclass, schema name, suffix text)
returns name
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  base text;
  ending text := '_' || suffix;
  attempt integer := 1;
begin
  loop
    select c.relname into base from pg_catalog.pg_class c where c.oid = parent;
    while octet_length(base) + octet_length(ending) > 63 loop
      base := left(base, -1);
    end loop;
    exit when not exists (
      select 1
      from pg_catalog.pg_namespace n
      where n.nspname = schema
        and (
          exists (select 1 from pg_catalog.pg_class c where c.relnamespace = n.oid and c.relname = base || ending)
          or exists (select 1 from pg_catalog.pg_type t where t.typnamespace = n.oid and t.typname = base || ending)
        )
    );
    attempt := attempt + 1;
    ending := format('_%s_%s', suffix, attempt);
  end loop;
  return base || ending;
end;
$$;

comment on function nightshift.free_partition_name is
  'The name of a new partition: that of its table, cut to fit into 63 bytes, an underscore, the suffix; with _2, _3 and so on when it is taken.';
