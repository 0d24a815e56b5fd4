-- Why: the checks of duplicate and of unused indexes ask the same, so that together they never take away what one relies on.

create or replace function nightshift.redundant_indexes()
returns table (index oid, other oid, relation oid, same_keys boolean, key oid)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
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
    select c.*
    from covered c
    -- Of two that answer for each other one stays: that which more depends on, or else the older one.
    where not c.kept
      and (
        (c.other, c.index) not in (select r.index, r.other from covered r)
        or (c.other_kept, c.other_key is not null, c.index) > (c.kept, c.key is not null, c.other)
      )
  )
  select distinct on (r.index) r.index, r.other, r.relation, r.same_keys, r.key
  from redundant r
  where r.relation in (select a from nightshift.application_tables() a)
    -- The fix of an invalid index needs it.
    and r.index not in (select p from nightshift.parts_of_invalid_indexes() p)
  order by r.index,
    -- One that stays itself.
    r.other in (select e.index from redundant e), r.other_keys desc, r.other_kept desc, r.other_key is null, r.other;
end;
$$;

comment on function nightshift.redundant_indexes is
  'Each index of the application that another of its table answers for, and that other, which is never redundant itself; key: the unique constraint it belongs to, if any. See health_duplicate_indexes.';
