create or replace function nightshift.find_needed_rows(
  run_id uuid,
  rows nightshift.row_set[],
  released nightshift.row_set[],
  keys nightshift.purge_key[],
  staying text[] default null
)
returns setof nightshift.held_row
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
set enable_nestloop = on
set plan_cache_mode = force_generic_plan
as $$
declare
  -- Each is read with all that refers to it, which is planned once for all of them.
  max_leaves constant integer := 100;
  -- Only a run that knows of rows has to ask for each what it knows.
  knows constant boolean := exists (select from nightshift.purge_decisions d where d.run_id = find_needed_rows.run_id);
  indexed boolean;
  looked_at text;
  branches text;
begin
  for indexed, looked_at, branches in
    with found as materialized (
      select s.position, s.relation, k.policy, k.key, k.role, k.name, k.indexed, coalesce('and ' || k.staying, '') as staying
      from unnest(rows) with ordinality s(policy, relation, due, tids, position)
      join unnest(keys, find_needed_rows.staying) k(policy, role, key, name, referenced, referencing, indexed, related, staying)
        on k.policy = s.policy and s.relation = any(k.related)
    ),
    -- Rows to which the same keys refer are read once for all of these.
    parts as materialized (
      select p.*, (sum(cardinality(p.positions)) over (partition by p.indexed order by p.n) - 1) / max_leaves as statement
      from (
        select p.policy, p.indexed, p.keys, array_agg(p.position order by p.position) as positions, row_number() over () as n
        from (
          select f.*, (row_number() over (partition by f.policy, f.indexed, f.keys order by f.position) - 1) / max_leaves as part
          from (
            select f.position, f.policy, f.indexed, array_agg(f.key order by f.key) as keys
            from found f group by f.position, f.policy, f.indexed
          ) f
        ) p
        group by p.policy, p.indexed, p.keys, p.part
      ) p
    ),
    names as materialized (
      select n.relation, n.name
      from (select array(select distinct f.relation from found f) as relations) r
      cross join lateral unnest(r.relations, nightshift.trusted_names(r.relations)) n(relation, name)
    ),
    joins as materialized (
      select j.*, c.columns
      from nightshift.key_joins(array(select distinct f.key from found f)) j
      cross join lateral (
        select array(
          select format('t.%I', a.attname)
          from pg_catalog.pg_constraint c
          join pg_catalog.pg_attribute a on a.attrelid = c.confrelid and a.attnum = any(c.confkey)
          where c.oid = j.key
        ) as columns
      ) c
    )
    select p.indexed,
      string_agg(format('t%s as materialized (%s)', p.n, (
        select string_agg(format(
          'select t.tableoid, t.ctid, %s from only %s t where t.tableoid = %s and t.ctid = any(($1[%s]).tids)',
          (select string_agg(distinct c, ', ') from joins j cross join lateral unnest(j.columns) c where j.key = any(p.keys)),
          n.name, n.relation, position
        ), ' union all ')
        from unnest(p.positions) position
        join names n on n.relation = rows[position].relation
      )), ', '),
      string_agg((
        select string_agg(format(
          case
            when not knows then
              'select %1$s::oid, t.tableoid, t.ctid, %2$L::text, %3$L::text
               from t%4$s t
               where exists (select 1 from %5$s x where %6$s and %7$s %9$s)'
            when p.indexed then
              -- A row that just stays weighs more than one that stays undecided or kept, and is looked for first.
              'select %1$s::oid, t.tableoid, t.ctid, case when d.fate in (''undecided'', ''kept'') then d.fate else %2$L end, %3$L::text
               from t%4$s t
               cross join lateral (
                 (
                   select ''held'' as fate
                   from %5$s x
                   left join lateral (
                     select d.fate from nightshift.purge_decisions d
                     where d.run_id = %8$L and d.relation = x.tableoid and d.tid = x.ctid offset 0
                   ) d on true
                   where %6$s and %7$s and (d.fate is null %9$s or d.fate in (''held'', ''refused''))
                   limit 1
                 )
                 union all
                 (
                   select d.fate
                   from %5$s x
                   left join lateral (
                     select d.fate from nightshift.purge_decisions d
                     where d.run_id = %8$L and d.relation = x.tableoid and d.tid = x.ctid offset 0
                   ) d on true
                   where %6$s and %7$s and coalesce(d.fate, '''') in (''kept'', ''undecided'')
                   order by d.fate desc
                   limit 1
                 )
                 limit 1
               ) d'
            else
              '(select distinct on (t.tableoid, t.ctid) %1$s::oid, t.tableoid, t.ctid, case when d.fate in (''undecided'', ''kept'') then d.fate else %2$L end, %3$L::text
               from t%4$s t
               join %5$s x on %6$s
               left join nightshift.purge_decisions d on d.run_id = %8$L and d.relation = x.tableoid and d.tid = x.ctid
               where %7$s
                 and (d.fate is null %9$s or d.fate not in (''gone'', ''assessed''))
               order by t.tableoid, t.ctid, array_position(array[''undecided'', ''kept''], d.fate) nulls first)'
          end,
          p.policy, case f.role when 'keep' then 'kept' else 'held' end, f.name, p.n, j.referencing_scan, j.condition,
          -- NOT IN, for once: a hashed subplan filters inside the probe of x, which then stops at the first row
          -- that is not among the rows. NOT EXISTS would first subtract them from the whole of x.
          format('(x.tableoid, x.ctid) not in (select g.relation, g.tid from %s g)',
            case f.role when 'release' then 'going_or_released' else 'going' end),
          run_id, f.staying
        ), ' union all ')
        from found f
        join joins j on j.key = f.key
        where f.position = p.positions[1] and f.key = any(p.keys)
      ), ' union all ')
    from parts p
    group by p.indexed, p.statement
  loop
    perform set_config('enable_hashjoin', (not indexed)::text, true);
    return query execute format(
      'with going as materialized (
         select d.relation, r.tid from unnest($1) d cross join lateral unnest(d.tids) r(tid)
       ),
       going_or_released as materialized (
         select g.relation, g.tid from going g
         union all
         select d.relation, r.tid from unnest($2) d cross join lateral unnest(d.tids) r(tid)
       ),
       %s
       %s',
      looked_at, branches
    )
    using rows, released;
  end loop;
end;
$$;

comment on function nightshift.find_needed_rows is
  'Those of rows that a row outside of them refers to, once for each foreign key, with that and what it makes of them (held, kept, or undecided like the row that refers). Rows whose reference is to be released do not count, nor those that a dry run has seen go. staying: of each key, the condition that a row x that refers has to meet besides, null for none.';
