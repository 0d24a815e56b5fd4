-- Which due rows may go: the largest set of them that nothing outside of the set refers to.
-- Why: whatever the ON DELETE action of a foreign key, a row that something still needs stays, and nothing is cascaded away.
-- Locks: at run time row locks, never waited for, on due rows that refer to due rows, and ROW EXCLUSIVE on their tables.
--
-- Plans: batches look rows up by address and by foreign key, a few thousand at a time. A planner that assumes a cold disk
-- would often rather read a whole table, once a batch; hence the planner settings of those functions (a hash join stays
-- possible where a foreign key has no index), and due conditions written as `(...) is true`, which no index of the marker
-- can answer, where the address should lead.

create or replace function nightshift.resolve_references(
  seeds nightshift.row_set[],
  scope oid[],
  as_of timestamptz,
  locking text,
  out doomed nightshift.row_set[],
  out seeds_doomed bigint,
  out needed_by jsonb
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Beyond these a closure is not worth one transaction: its rows go leaf first, over several batches or nights.
  max_rows constant integer := 20000;
  stop_at constant timestamptz := clock_timestamp()
    + coalesce(nullif(current_setting('statement_timeout')::interval, '0'), '5 seconds') / 2;
  frontier nightshift.row_set[] := seeds;
  referencing nightshift.row_set[];
  referenced_within boolean := false;
  spared nightshift.row_set[];
begin
  doomed := seeds;
  seeds_doomed := nightshift.count_rows(seeds);
  needed_by := '{}';
  if not exists (select 1 from unnest(seeds) s, nightshift.referencing_keys(s.relation)) then
    return;
  end if;

  while cardinality(frontier) > 0
    and clock_timestamp() < stop_at
    and nightshift.count_rows(doomed) - nightshift.count_rows(seeds) < max_rows
  loop
    referencing := nightshift.find_due_referencing(frontier, scope, as_of, locking, max_rows);
    referenced_within := referenced_within or cardinality(referencing) > 0;
    frontier := nightshift.subtract_row_sets(referencing, doomed);
    doomed := nightshift.merge_row_sets(doomed || frontier);
  end loop;

  -- A fresh look, after the locks: whoever would refer to a locked row now waits for us, whoever did before is seen.
  -- What a spared row refers to is spared too.
  with recursive needed as (
    select f.relation, f.tid, f.key_name from nightshift.find_needed_rows(doomed) f
    union
    select i.relation, i.tid, i.key_name
    from needed n
    join inner_reference i on i.referencing_relation = n.relation and i.referencing_tid = n.tid
  ),
  inner_reference as materialized (
    select i.* from nightshift.find_inner_references(doomed) i where referenced_within
  ),
  spared_row as (
    select distinct on (n.relation, n.tid) n.relation, n.tid, n.key_name
    from needed n
    order by n.relation, n.tid, n.key_name
  ),
  spared_seeds as (
    select r.key_name, count(*) as seeds
    from spared_row r
    where (r.relation, r.tid) in (select s.relation, t.tid from unnest(seeds) s cross join lateral unnest(s.tids) t(tid))
    group by r.key_name
  )
  select
    (
      select coalesce(array_agg(row(g.relation, g.tids)::nightshift.row_set), '{}')
      from (select r.relation, array_agg(r.tid) as tids from spared_row r group by r.relation) g
    ),
    coalesce(jsonb_object_agg(k.key_name, k.seeds), '{}'),
    seeds_doomed - coalesce(sum(k.seeds), 0)
  into spared, needed_by, seeds_doomed
  from spared_seeds k;
  doomed := nightshift.subtract_row_sets(doomed, spared);
end;
$$;

comment on function nightshift.resolve_references is
  'Of locked due rows (seeds), those that may go, together with the due rows that refer to them, directly or not: doomed is the largest set that nothing outside of it refers to, as far as 20,000 rows and half the statement timeout reach. seeds_doomed of the seeds are in it; needed_by counts the others by foreign key.';
