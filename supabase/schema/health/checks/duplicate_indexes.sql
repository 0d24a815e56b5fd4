-- Health check duplicate_indexes: indexes that another index of the same table answers for.
-- Why: each one is written with every row, for queries that the other serves just as well.

create or replace function nightshift.health_duplicate_indexes(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    r.index::regclass::text,
    current_setting('block_size')::numeric * case when c.relkind = 'I' then (
      with recursive part(index) as (
        select r.index
        union all
        select i.inhrelid from part p join pg_catalog.pg_inherits i on i.inhparent = p.index
      )
      select sum(i.relpages) from part p join pg_catalog.pg_class i on i.oid = p.index
    ) else c.relpages end,
    format('on %s; %s %s', t.oid::regclass, r.other::regclass,
      case when r.same_keys then 'is the same' else 'begins with the same columns' end),
    case
      when r.key is not null
        then format('alter table %s drop constraint %I;', t.oid::regclass,
          (select k.conname from pg_catalog.pg_constraint k where k.oid = r.key))
      else format('drop index %s%s;', case when c.relkind <> 'I' then 'concurrently ' end, r.index::regclass)
    end,
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.redundant_indexes() r
  join pg_catalog.pg_class c on c.oid = r.index
  join pg_catalog.pg_class t on t.oid = r.relation;
end;
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
