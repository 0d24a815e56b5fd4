create or replace function nightshift.find_needed_rows(
  run_id uuid,
  rows nightshift.row_set[],
  released nightshift.row_set[],
  keys nightshift.purge_key[]
)
returns setof nightshift.held_row
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  -- Each is read with all that refers to it, which is planned once for all of them.
  max_leaves constant integer := 100;
  -- Only a run that knows of rows has to ask for each what it knows.
  knows constant boolean := exists (select from nightshift.purge_decisions d where d.run_id = find_needed_rows.run_id);
  key record;
  looked_at text;
begin
  for key in
    select w.policy, w.role, w.key, w.name, w.referencing, w.indexed, w.columns, array_agg(w.position order by w.position) as positions
    from (
      select k.policy, k.role, k.key, k.name, k.referencing, k.indexed, s.position,
        (
          select string_agg(format('t.%I', a.attname), ', ')
          from pg_catalog.pg_constraint c
          join pg_catalog.pg_attribute a on a.attrelid = c.confrelid and a.attnum = any(c.confkey)
          where c.oid = k.key
        ) as columns,
        (row_number() over (partition by k.policy, k.key order by s.position) - 1) / max_leaves as part
      from unnest(rows) with ordinality s(policy, relation, due, tids, position)
      join unnest(keys) k on k.policy = s.policy and s.relation = any(k.related)
    ) w
    group by w.policy, w.role, w.key, w.name, w.referencing, w.indexed, w.columns, w.part
    order by w.key, w.part
  loop
    perform set_config('enable_hashjoin', (not key.indexed)::text, true);
    -- NOT IN, for once: a hashed subplan filters inside the probe of x, which then stops at the first row
    -- that is not among the rows. NOT EXISTS would first subtract them from the whole of x.
    looked_at := (
      select string_agg(format(
        'select t.tableoid, t.ctid, %s from only %s t where t.tableoid = %s and t.ctid = any(($1[%s]).tids)',
        key.columns, nightshift.trusted_name(rows[p].relation), rows[p].relation, p
      ), ' union all ' order by p)
      from unnest(key.positions) p
    );
    return query execute format(
      case
        when not knows then
          'select %1$s::oid, t.tableoid, t.ctid, %2$L::text, %3$L::text
           from (%4$s) t
           where exists (select 1 from %5$s x where %6$s and %7$s)'
        when key.indexed then
          -- A row that just stays weighs more than one that stays undecided or kept, and is looked for first.
          'select %1$s::oid, t.tableoid, t.ctid, case when d.fate in (''undecided'', ''kept'') then d.fate else %2$L end, %3$L::text
           from (%4$s) t
           cross join lateral (
             (
               select ''held'' as fate
               from %5$s x
               left join nightshift.purge_decisions d on d.run_id = %8$L and d.relation = x.tableoid and d.tid = x.ctid
               where %6$s and %7$s and (d.fate is null or d.fate in (''held'', ''refused''))
               limit 1
             )
             union all
             (
               select d.fate
               from %5$s x
               left join nightshift.purge_decisions d on d.run_id = %8$L and d.relation = x.tableoid and d.tid = x.ctid
               where %6$s and %7$s and coalesce(d.fate, '''') in (''kept'', ''undecided'')
               order by d.fate desc
               limit 1
             )
             limit 1
           ) d'
        else
          'select distinct on (t.tableoid, t.ctid) %1$s::oid, t.tableoid, t.ctid, case when d.fate in (''undecided'', ''kept'') then d.fate else %2$L end, %3$L::text
           from (%4$s) t
           join %5$s x on %6$s
           left join nightshift.purge_decisions d on d.run_id = %8$L and d.relation = x.tableoid and d.tid = x.ctid
           where %7$s
             and (d.fate is null or d.fate not in (''gone'', ''assessed''))
           order by t.tableoid, t.ctid, array_position(array[''undecided'', ''kept''], d.fate) nulls first'
      end,
      key.policy, case key.role when 'keep' then 'kept' else 'held' end, key.name, looked_at,
      nightshift.scan_of(key.referencing), nightshift.join_condition(key.key),
      '(x.tableoid, x.ctid) not in (select d.relation, r.tid from unnest($2) d cross join lateral unnest(d.tids) r(tid))',
      run_id
    )
    using rows, case key.role when 'release' then rows || released else rows end;
  end loop;
end;
$$;

comment on function nightshift.find_needed_rows is
  'Those of rows that a row outside of them refers to, once for each foreign key, with that and what it makes of them (held, kept, or undecided like the row that refers). Rows whose reference is to be released do not count, nor those that a dry run has seen go.';
