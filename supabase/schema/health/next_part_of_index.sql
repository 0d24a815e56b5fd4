create or replace function nightshift.next_part_of_index(index oid, out detail text, out fix text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  definition text := nightshift.index_definition(index);
  makes_unique boolean := (select x.indisunique from pg_catalog.pg_index x where x.indexrelid = index);
  constraint_definition text := (
    select pg_get_constraintdef(k.oid) from pg_catalog.pg_constraint k
    where k.conindid = next_part_of_index.index and k.contype in ('p', 'u')
  );
  lacking oid[];
  invalid oid;
  partition pg_catalog.pg_class;
  part oid;
begin
  select
    array_agg(c.oid order by c.oid) filter (where a.indexrelid is null),
    (array_agg(a.indexrelid order by a.indexrelid) filter (where not a.indisvalid))[1]
  into lacking, invalid
  from pg_catalog.pg_index x
  join pg_catalog.pg_inherits i on i.inhparent = x.indrelid and not i.inhdetachpending
  join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relkind in ('r', 'p')
  left join (
    select b.inhparent, y.* from pg_catalog.pg_inherits b join pg_catalog.pg_index y on y.indexrelid = b.inhrelid
  ) a on a.inhparent = x.indexrelid and a.indrelid = c.oid
  where x.indexrelid = next_part_of_index.index;

  if lacking is null and invalid is not null then
    detail := format('its part %s is invalid', invalid::regclass);
    fix := case (select c.relkind from pg_catalog.pg_class c where c.oid = invalid)
      when 'I' then (select p.fix from nightshift.next_part_of_index(invalid) p)
      else format('reindex index concurrently %s;', invalid::regclass)
    end;
    return;
  elsif lacking is null then
    detail := 'all its parts are there and valid, but were not when they were attached';
    -- To attach what is attached makes it look again.
    fix := (
      select format('alter index %s attach partition %s;', index::regclass, min(i.inhrelid::regclass::text))
      from pg_catalog.pg_inherits i where i.inhparent = next_part_of_index.index
    );
    return;
  end if;

  select c.* into partition from pg_catalog.pg_class c where c.oid = lacking[1];
  detail := format('not every partition has its part: %s missing, next %s', cardinality(lacking), partition.oid::regclass);
  select x.indexrelid into part
  from pg_catalog.pg_index x
  join pg_catalog.pg_class c on c.oid = x.indexrelid
  where x.indrelid = partition.oid and not c.relispartition and (x.indisvalid or c.relkind = 'I')
    and x.indisunique = makes_unique and nightshift.index_definition(x.indexrelid) = definition
    -- A part of a constraint has to be one.
    and (constraint_definition is null or exists (
      select 1 from pg_catalog.pg_constraint k
      where k.conrelid = x.indrelid and k.conindid = x.indexrelid and pg_get_constraintdef(k.oid) = constraint_definition
    ))
  order by x.indexrelid
  limit 1;
  fix := case
    when part is not null then format('alter index %s attach partition %s;', index::regclass, part::regclass)
    when constraint_definition is not null then format('alter table %s add %s;', partition.oid::regclass, constraint_definition)
    else format('create %sindex %son %s%s;',
      case when makes_unique then 'unique ' end, case when partition.relkind = 'r' then 'concurrently ' end,
      partition.oid::regclass, definition)
  end;
end;
$$;

comment on function nightshift.next_part_of_index is
  'What an invalid partitioned index lacks, and the next step that mends it: create its part on a partition, or attach one that is there.';
