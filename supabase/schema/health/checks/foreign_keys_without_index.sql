-- Health check foreign_keys_without_index: columns that refer to another table and are not indexed.
-- Why: each row that is deleted there, or gets another key, reads the whole referring table.

create or replace function nightshift.health_foreign_keys_without_index(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with recursive served as materialized (
    select k.oid as key
    from pg_catalog.pg_constraint k
    -- By any one of its columns the rows are found that the others are compared in.
    join pg_catalog.pg_index x on x.indrelid = k.conrelid and x.indkey[0] = any(k.conkey)
    join pg_catalog.pg_class c on c.oid = x.indexrelid
    join pg_catalog.pg_am m on m.oid = c.relam and m.amname in ('btree', 'hash')
    where k.contype = 'f'
      -- One that is invalid is being built, or invalid_indexes says how to finish it; a second one would repeat it.
      and (x.indisvalid and x.indisready or not x.indisunique and c.relname !~ '_cc(new|old)\d*$')
      -- Without the rows whose key is null it serves just as well.
      and (
        x.indpred is null
        or substring(
          x.indpred::text from '^\{NULLTEST :arg \{VAR :varno 1 :varattno (\d+) [^{}]*\} :nulltesttype 1 [^{}]*\}$'
        )::smallint = any(k.conkey)
      )
  ),
  -- Each partition has a copy of the key, and may have an index of its own.
  unserved(key, root, relation) as (
    select k.oid, k.oid, k.conrelid
    from pg_catalog.pg_constraint k
    where k.contype = 'f' and k.conparentid = 0 and k.oid not in (select s.key from served s)
      -- One that is not enforced, from Postgres 18 on, looks for nothing.
      and coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
    union all
    select k.oid, u.root, k.conrelid
    from unserved u
    join pg_catalog.pg_constraint k on k.conparentid = u.key and k.contype = 'f' and k.conrelid <> u.relation
    where k.oid not in (select s.key from served s)
  ),
  lacking as (
    select k.oid, k.conrelid, k.conkey, k.conname, k.confrelid, sum(case when c.relkind = 'r' then
      greatest(c.reltuples::numeric, pg_stat_get_live_tuples(c.oid), 0) end) as rows
    from unserved u
    join pg_catalog.pg_constraint k on k.oid = u.root
    join pg_catalog.pg_class c on c.oid = u.relation
    group by k.oid
    -- A partitioned table does without when each of its partitions has one; one without partitions has no rows.
    having bool_or(c.relkind = 'r')
  )
  select
    format('%s (%s)', t.oid::regclass, n.columns),
    max(l.rows),
    format('%s to %s', string_agg(format('%I', l.conname), ', ' order by l.conname),
      string_agg(distinct l.confrelid::regclass::text, ', ')),
    format('create index %son %s (%s);', case when t.relkind = 'r' then 'concurrently ' end, t.oid::regclass, n.columns),
    null::numeric, null::numeric, null::numeric, null::text
  from lacking l
  join pg_catalog.pg_class t on t.oid = l.conrelid
  cross join lateral (
    select string_agg(format('%I', a.attname), ', ' order by u.position)
    from unnest(l.conkey) with ordinality u(attnum, position)
    join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = u.attnum
  ) n(columns)
  where t.oid in (select a from nightshift.application_tables() a)
  group by t.oid, t.relkind, n.columns;
end;
$$;

comment on function nightshift.health_foreign_keys_without_index is
  'For each foreign key whose columns no index serves, how many rows the referring table has, as Postgres estimates them; of a partitioned one, in the partitions without. Not those that have an index: a btree or hash that begins with a column of the key, valid or to be completed by the fix of invalid_indexes, partial only where one is not null. Tables of less than 1,000 rows are ok: to read one as a whole takes no longer than to use an index. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'foreign_keys_without_index',
  title => 'Foreign keys without an index',
  healthy => 'Every foreign key of a table of some size has an index.',
  why => 'Whenever a referenced row is deleted or gets another key, Postgres looks for rows that refer to it, and without an index it reads the whole table.',
  unit => 'count', info => 1000, warning => 1000000
);
