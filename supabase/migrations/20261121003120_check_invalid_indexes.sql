-- Health check invalid_indexes: indexes whose build failed halfway, and partitioned ones that miss a part.
-- Why: no query can use them, and nothing but a look at the catalog tells so.
-- Locks: none.

create function nightshift.health_invalid_indexes(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Without it the builds of others do not show, and theirs would pass for failed ones.
  perform nightshift.require_statistics();
  return query
  with invalid as materialized (
    select x.indexrelid as index, x.indrelid as relation, x.indisunique, c.relname, c.relkind, c.relpages
    from pg_catalog.pg_index x
    join pg_catalog.pg_class c on c.oid = x.indexrelid
    where x.indrelid >= 16384::oid and not (x.indisvalid and x.indisready and x.indislive)
  ),
  underway as materialized (
    select p.relid as relation, null::oid as index from pg_catalog.pg_stat_progress_create_index p
    where p.datname = current_database() and exists (select 1 from invalid)
    union all
    -- Of an index, only those who rebuild or drop it concurrently take this lock.
    select null, l.relation from pg_catalog.pg_locks l
    where l.locktype = 'relation' and l.mode = 'ShareUpdateExclusiveLock' and l.granted
      and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
      and exists (select 1 from invalid)
  )
  select
    i.index::regclass::text,
    i.relpages::bigint::numeric * current_setting('block_size')::bigint,
    format('on %s; ', t.oid::regclass) || case
      when i.relkind = 'I' then p.detail
      when i.relname ~ '_cc(new|old)\d*$' then 'left over from a reindex concurrently that did not finish'
      when i.indisunique then 'its build did not finish, as when a value is there twice; once that is mended, create it again'
      else 'its build did not finish'
    end,
    case
      when i.relkind = 'I' then p.fix
      -- To build a unique one again would end as before, and leave another behind.
      when i.indisunique or i.relname ~ '_cc(new|old)\d*$' then format('drop index concurrently %s;', i.index::regclass)
        -- What is dropped can be made again only by who still knows it.
        || case when i.relname ~ '_cc(new|old)\d*$' then '' else ' -- then: '
          || replace(pg_get_indexdef(i.index), ' INDEX ', ' INDEX CONCURRENTLY ') || ';' end
      else format('reindex index concurrently %s;', i.index::regclass)
    end,
    null::numeric, null::numeric, null::numeric, null::text
  from invalid i
  join pg_catalog.pg_class t on t.oid = i.relation
  left join lateral (
    select s.*
    from unnest(case i.relkind when 'I' then array[i.index] end) o(index)
    cross join lateral nightshift.next_part_of_index(o.index) s
  ) p on true
  where t.relpersistence <> 't'
    and t.relowner in (select o from nightshift.application_owners() o)
    and not exists (select 1 from underway u where u.index = i.index or u.relation = i.relation);
end;
$$;

comment on function nightshift.health_invalid_indexes is
  'The size of each index that is not valid or not ready, those of long values included; not those that are being built or dropped now. See nightshift.health_checks.';

create function nightshift.next_part_of_index(index oid, out detail text, out fix text)
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

create function nightshift.index_definition(index oid)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select substr(pg_get_indexdef(x.indexrelid), 1 + length(format('CREATE %sINDEX %I ON %s%s',
    case when x.indisunique then 'UNIQUE ' end, c.relname, case when c.relkind = 'I' then 'ONLY ' end, x.indrelid::regclass)))
  from pg_catalog.pg_index x
  join pg_catalog.pg_class c on c.oid = x.indexrelid
  where x.indexrelid = index_definition.index;
end;

comment on function nightshift.index_definition is
  'What stands after the table in the statement that creates an index: method, columns and all else that it shares with its parts.';

revoke all on function
  nightshift.health_invalid_indexes, nightshift.next_part_of_index, nightshift.index_definition
from public, anon, authenticated;

insert into nightshift.health_checks (name, title, healthy, why, unit, warning) values (
  'invalid_indexes',
  'Invalid indexes',
  'Every index is valid.',
  'Queries pass it over as if it were not there, while most are still written with every row; a unique one guards nothing for sure.',
  'bytes', 0
);
