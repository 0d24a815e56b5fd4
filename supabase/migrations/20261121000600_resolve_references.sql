-- Which due rows may go: the largest set of them that nothing outside of the set refers to.
-- Why: whatever the ON DELETE action of a foreign key, a row that something still needs stays, and nothing is cascaded away.
-- Locks: at run time row locks, never waited for, on due rows that refer to due rows, and ROW EXCLUSIVE on their tables.
--
-- Plans: batches look rows up by address and by foreign key, a few thousand at a time. A planner that assumes a cold disk
-- would often rather read a whole table, once a batch; hence the planner settings of those functions (a hash join stays
-- possible where a foreign key has no index), and due conditions written as `(...) is true`, which no index of the marker
-- can answer, where the address should lead.

create type nightshift.row_set as (relation oid, tids tid[]);

comment on type nightshift.row_set is
  'Physical rows of one table: the table that holds them, and where in it. Good for one transaction; sets of several tables travel as an array with one element a table.';

create function nightshift.covering_policy(relation regclass, scope oid[])
returns setof nightshift.retention_policies
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select p.*
  from nightshift.retention_policies p
  where p.enabled
    and p.relation::oid = any(covering_policy.scope)
    and (
      p.relation = covering_policy.relation
      or p.relation in (select a.relid from pg_catalog.pg_partition_ancestors(covering_policy.relation) a(relid))
    );
end;

comment on function nightshift.covering_policy is
  'The enabled policy within scope that covers a table or partition, if any.';

create function nightshift.hold_table(relation regclass, locking text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- ROW EXCLUSIVE before the catalog is read: from here on nobody adds a foreign key, changes a type or swaps a name.
  if locking <> '' then
    execute format('lock table only %s in row exclusive mode', relation);
  end if;
end;
$$;

comment on function nightshift.hold_table is
  'Keeps the definition of a table as it is until the end of the transaction, when rows of it are to be locked.';

create function nightshift.merge_row_sets(sets nightshift.row_set[])
returns nightshift.row_set[]
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(array_agg(row(m.relation, m.tids)::nightshift.row_set), '{}')
  from (
    select s.relation, array_agg(distinct t.tid) as tids
    from unnest(merge_row_sets.sets) s
    cross join lateral unnest(s.tids) t(tid)
    group by s.relation
  ) m;
end;

comment on function nightshift.merge_row_sets is 'The union: one element a table, each row once, no empty elements.';

create function nightshift.subtract_row_sets(sets nightshift.row_set[], minus nightshift.row_set[])
returns nightshift.row_set[]
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(array_agg(row(d.relation, d.tids)::nightshift.row_set), '{}')
  from (
    select left_over.relation, array_agg(left_over.tid) as tids
    from (
      select s.relation, t.tid
      from unnest(subtract_row_sets.sets) s
      cross join lateral unnest(s.tids) t(tid)
      except
      select m.relation, t.tid
      from unnest(subtract_row_sets.minus) m
      cross join lateral unnest(m.tids) t(tid)
    ) left_over
    group by left_over.relation
  ) d;
end;

comment on function nightshift.subtract_row_sets is 'The rows of sets that are not in minus.';

create function nightshift.count_rows(sets nightshift.row_set[])
returns bigint
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(sum(cardinality(s.tids)), 0)::bigint from unnest(count_rows.sets) s;
end;

comment on function nightshift.count_rows is 'How many rows there are in merged sets.';

create function nightshift.find_due_referencing(
  frontier nightshift.row_set[],
  scope oid[],
  as_of timestamptz,
  locking text,
  max_rows integer
)
returns nightshift.row_set[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  referenced nightshift.row_set;
  key record;
  tids tid[];
  found_rows nightshift.row_set[] := '{}';
begin
  foreach referenced in array frontier loop
    for key in
      select k.join_condition, k.indexed, l.relation as referencing, p.drop_after, p.marker_column, p.flag_column
      from nightshift.referencing_keys(referenced.relation) k
      cross join lateral nightshift.leaf_relations(k.referencing) l(relation)
      cross join lateral nightshift.covering_policy(l.relation, scope) p
    loop
      perform set_config('enable_hashjoin', (not key.indexed)::text, true);
      perform nightshift.require_trusted_owner(key.referencing);
      perform nightshift.hold_table(key.referencing, locking);
      execute format(
        'select array_agg(r.ctid) from (
           select x.ctid from only %1$s x
           where x.tableoid = %6$s
             and (%2$s) is true
             and exists (select 1 from only %3$s t where t.tableoid = %7$s and t.ctid = any($1) and %4$s)
           limit %8$s
           %5$s
         ) r',
        key.referencing,
        nightshift.due_condition('x', key.referencing, key.drop_after, key.marker_column, key.flag_column, as_of),
        referenced.relation::regclass, key.join_condition, locking,
        key.referencing::oid, referenced.relation, max_rows
      )
      into tids using referenced.tids;
      found_rows := found_rows || row(key.referencing, coalesce(tids, '{}'))::nightshift.row_set;
    end loop;
  end loop;
  return nightshift.merge_row_sets(found_rows);
end;
$$;

comment on function nightshift.find_due_referencing is
  'The due rows, within scope, that refer to any row of frontier, at most max_rows for each foreign key and table; locked when locking says so.';

create function nightshift.find_needed_rows(doomed nightshift.row_set[])
returns table (relation oid, tid tid, key_name text)
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  referenced nightshift.row_set;
  key record;
begin
  foreach referenced in array doomed loop
    for key in
      select
        k.name, k.join_condition, k.indexed,
        k.referencing as table_name, nightshift.scan_of(k.referencing) as referencing
      from nightshift.referencing_keys(referenced.relation) k
    loop
      perform set_config('enable_hashjoin', (not key.indexed)::text, true);
      perform nightshift.require_trusted_owner(key.table_name);
      -- NOT IN, for once: a hashed subplan filters inside the probe of x, which then stops at the first row
      -- that is not doomed. NOT EXISTS would first subtract the doomed rows from the whole of x.
      return query execute format(
        'select %1$s::oid, t.ctid, %2$L::text
         from only %3$s t
         where t.tableoid = %1$s
           and t.ctid = any($1)
           and exists (
             select 1 from %4$s x
             where %5$s
               and (x.tableoid, x.ctid) not in (
                 select d.relation, r.tid from unnest($2) d cross join lateral unnest(d.tids) r(tid)
               )
           )',
        referenced.relation, key.name, referenced.relation::regclass, key.referencing, key.join_condition
      ) using referenced.tids, doomed;
    end loop;
  end loop;
end;
$$;

comment on function nightshift.find_needed_rows is
  'The rows of doomed that a row outside of doomed refers to, by foreign key.';

create function nightshift.find_inner_references(doomed nightshift.row_set[])
returns table (relation oid, tid tid, key_name text, referencing_relation oid, referencing_tid tid)
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  referenced nightshift.row_set;
  key record;
begin
  foreach referenced in array doomed loop
    for key in
      select k.name, k.join_condition, k.indexed, nightshift.scan_of(k.referencing) as referencing
      from nightshift.referencing_keys(referenced.relation) k
    loop
      perform set_config('enable_hashjoin', (not key.indexed)::text, true);
      return query execute format(
        'select %1$s::oid, t.ctid, %2$L::text, x.tableoid, x.ctid
         from only %3$s t
         join %4$s x on %5$s
         where t.tableoid = %1$s
           and t.ctid = any($1)
           and (x.tableoid, x.ctid) in (
             select d.relation, r.tid from unnest($2) d cross join lateral unnest(d.tids) r(tid)
           )',
        referenced.relation, key.name, referenced.relation::regclass, key.referencing, key.join_condition
      ) using referenced.tids, doomed;
    end loop;
  end loop;
end;
$$;

comment on function nightshift.find_inner_references is
  'Which rows of doomed refer to which rows of doomed, by foreign key.';

create function nightshift.resolve_references(
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

revoke all on function
  nightshift.covering_policy, nightshift.hold_table, nightshift.merge_row_sets, nightshift.subtract_row_sets, nightshift.count_rows,
  nightshift.find_due_referencing, nightshift.find_needed_rows, nightshift.find_inner_references,
  nightshift.resolve_references
from public, anon, authenticated;
revoke all on type nightshift.row_set from public;
