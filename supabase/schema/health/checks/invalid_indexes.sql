-- Health check invalid_indexes: indexes whose build failed halfway, and partitioned ones that miss a part.
-- Why: no query can use them, and nothing but a look at the catalog tells so.

create or replace function nightshift.health_invalid_indexes(as_of timestamptz)
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
  where t.oid in (select a from nightshift.application_tables() a)
    and not exists (select 1 from underway u where u.index = i.index or u.relation = i.relation);
end;
$$;

comment on function nightshift.health_invalid_indexes is
  'The size of each index that is not valid or not ready, those of long values included; not those that are being built or dropped now. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'invalid_indexes',
  title => 'Invalid indexes',
  healthy => 'Every index is valid.',
  why => 'Queries pass it over as if it were not there, while most are still written with every row; a unique one guards nothing for sure.',
  unit => 'bytes', warning => 0
);
