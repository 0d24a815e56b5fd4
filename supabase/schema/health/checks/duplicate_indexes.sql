-- Health check duplicate_indexes: indexes that another index of the same table answers for.
-- Why: each one is written with every row, for queries that the other serves just as well.

create or replace function nightshift.health_duplicate_indexes(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with alike as materialized (
    select a.indexrelid as index, b.indexrelid as other
    from pg_catalog.pg_index a
    join pg_catalog.pg_index b on b.indrelid = a.indrelid and b.indkey[0] = a.indkey[0] and b.indexrelid <> a.indexrelid
    where a.indrelid >= 16384::oid
      and a.indisvalid and a.indisready and a.indislive and b.indisvalid and b.indisready and b.indislive
      and a.indnkeyatts <= b.indnkeyatts
      and not a.indisexclusion
      and (
        not a.indisunique
        or (
          b.indisunique and b.indnkeyatts = a.indnkeyatts
          and b.indnullsnotdistinct = a.indnullsnotdistinct and (b.indimmediate or not a.indimmediate)
        )
      )
      and (b.indkey::smallint[])[0:a.indnkeyatts - 1] = (a.indkey::smallint[])[0:a.indnkeyatts - 1]
      -- With the operator classes the methods are the same too.
      and (b.indclass::oid[])[0:a.indnkeyatts - 1] = (a.indclass::oid[])[0:]
      and (b.indcollation::oid[])[0:a.indnkeyatts - 1] = (a.indcollation::oid[])[0:a.indnkeyatts - 1]
      and (b.indoption::smallint[])[0:a.indnkeyatts - 1] = (a.indoption::smallint[])[0:a.indnkeyatts - 1]
      and (a.indkey::smallint[])[a.indnkeyatts:] <@ b.indkey::smallint[]
  ),
  covered as materialized (
    select a.indrelid as relation, l.index, l.other, b.indnkeyatts as other_keys, a.indnkeyatts = b.indnkeyatts as same_keys,
      ac.relkind, ac.relpages, d.kept, d.key, d.other_kept, d.other_key
    from alike l
    join pg_catalog.pg_index a on a.indexrelid = l.index
    join pg_catalog.pg_index b on b.indexrelid = l.other
    join pg_catalog.pg_class ac on ac.oid = l.index
    join pg_catalog.pg_class bc on bc.oid = l.other
    join pg_catalog.pg_am m on m.oid = ac.relam
    -- Where in its statement an expression stood is of no matter; Postgres up to 16 keeps it.
    cross join lateral (
      select
        regexp_replace(a.indexprs::text, ' :location -?\d+', '', 'g'),
        regexp_replace(b.indexprs::text, ' :location -?\d+', '', 'g'),
        regexp_replace(a.indpred::text, ' :location -?\d+', '', 'g'),
        regexp_replace(b.indpred::text, ' :location -?\d+', '', 'g')
    ) e(expressions, other_expressions, predicate, other_predicate)
    cross join lateral (
      select
        a.indisprimary or a.indisreplident or l.index in (select k.conindid from pg_catalog.pg_constraint k where k.contype = 'f'),
        (select k.oid from pg_catalog.pg_constraint k where k.conrelid = a.indrelid and k.conindid = l.index and k.contype = 'u'),
        b.indisprimary or b.indisreplident or l.other in (select k.conindid from pg_catalog.pg_constraint k where k.contype = 'f'),
        (select k.oid from pg_catalog.pg_constraint k where k.conrelid = b.indrelid and k.conindid = l.other and k.contype = 'u')
    ) d(kept, key, other_kept, other_key)
    -- Parts of a partitioned index come and go with it.
    where not ac.relispartition
      -- A list of expressions begins with another when all but its closing bracket does.
      and (e.expressions is null or starts_with(e.other_expressions, left(e.expressions, -1)))
      and e.predicate is not distinct from e.other_predicate
      -- Elsewhere than in a btree, options decide what an index can answer and how well.
      and (
        m.amname = 'btree'
        or (
          ac.reloptions is not distinct from bc.reloptions
          and not exists (
            select 1 from pg_catalog.pg_attribute o
            where o.attrelid in (l.index, l.other) and o.attoptions is not null
          )
        )
      )
  ),
  redundant as (
    select distinct on (c.index) c.*
    from covered c
    -- Of two that answer for each other one stays: that which more depends on, or else the older one.
    where not c.kept
      and (
        (c.other, c.index) not in (select r.index, r.other from covered r)
        or (c.other_kept, c.other_key is not null, c.index) > (c.kept, c.key is not null, c.other)
      )
    order by c.index, c.other_keys desc, c.other_kept desc, c.other_key is null, c.other
  )
  select
    r.index::regclass::text,
    current_setting('block_size')::bigint * case when r.relkind = 'I' then (
      with recursive part(index) as (
        select r.index
        union all
        select i.inhrelid from part p join pg_catalog.pg_inherits i on i.inhparent = p.index
      )
      select sum(c.relpages) from part p join pg_catalog.pg_class c on c.oid = p.index
    ) else r.relpages end,
    format('on %s; %s %s', t.oid::regclass, r.other::regclass,
      case when r.same_keys then 'is the same' else 'begins with the same columns' end),
    case
      when r.key is not null
        then format('alter table %s drop constraint %I;', t.oid::regclass,
          (select k.conname from pg_catalog.pg_constraint k where k.oid = r.key))
      else format('drop index %s%s;', case when r.relkind <> 'I' then 'concurrently ' end, r.index::regclass)
    end,
    null::numeric, null::numeric, null::numeric, null::text
  from redundant r
  join pg_catalog.pg_class t on t.oid = r.relation
  where t.oid in (select a from nightshift.application_tables() a);
$$;

comment on function nightshift.health_duplicate_indexes is
  'The size of each index that another answers for: the same or more columns in the same order, with the same method, operator classes, collations, order, expressions and predicate, and its INCLUDE columns among them. One that makes rows unique is redundant only beside one that does so on the same columns; of two that are the same, one is named. Those under 1 MB are ok, since what they cost is not worth a migration. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'duplicate_indexes',
  title => 'Indexes that repeat another',
  healthy => 'No index of some size repeats another.',
  why => 'Both are written with every row and held in memory, and one of them would do.',
  unit => 'bytes', info => 1048576, warning => 10485760
);
