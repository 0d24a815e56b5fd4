create or replace function nightshift.reach_rows(
  run nightshift.runs,
  seeds nightshift.row_set[],
  component oid[],
  keys nightshift.purge_key[],
  max_rows integer,
  out reached nightshift.row_set[],
  out complete boolean,
  out ahead nightshift.row_set[]
)
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
  -- Only a run that knows of rows has to ask for each what it knows: by the address (OFFSET 0), however few Postgres expects.
  unknown constant text := case
    when exists (select from nightshift.purge_decisions d where d.run_id = run.id) then format(
      'and not exists (select from nightshift.purge_decisions d where d.run_id = %L and d.relation = x.tableoid and d.tid = x.ctid offset 0)',
      run.id
    )
    else ''
  end;
  steps text;
  reads_whole_tables boolean;
begin
  with members as materialized (
    select m.*, array(select nightshift.related_tables(m.member)) as related from nightshift.policy_members(component) m
  ),
  -- What a key holds by one policy, another may let go with the row that refers, or release it: then a row that goes by the
  -- first may go by the other as well.
  other_ways as materialized (
    select distinct h.policy, m.policy as to_policy, m.member, m.is_child
    from unnest(keys) h
    join unnest(keys) l on l.key = h.key and l.policy <> h.policy and l.role in ('child', 'release')
    join members m on m.policy = l.policy and h.referenced::oid = any(m.related)
    where h.role in ('hold', 'keep')
  ),
  ways as materialized (
    -- Children go with the row that they refer to.
    select k.key, k.policy, k.indexed, true as is_up, k.policy as to_policy, 'child' as kind
    from unnest(keys) k where k.role = 'child'
    union all
    -- A row that refers may be due itself, or the child of another row that is due: then that one comes into it too, and by it
    -- all that goes with it. Of a row that only may be a child, nothing else matters until then.
    select k.key, k.policy, k.indexed, true, m.policy, case when m.is_child then 'maybe' else 'due' end
    from unnest(keys) k
    join members m on k.referencing::oid = any(m.related)
    where k.role in ('hold', 'keep')
    union all
    select k.key, k.policy, true, false, k.policy, case when m.is_child then 'maybe' else 'due' end
    from unnest(keys) k
    join members m on m.policy = k.policy and k.referenced::oid = any(m.related)
    where k.role = 'child'
      and exists (
        select from unnest(keys) h join members c on c.is_child and h.referencing::oid = any(c.related) where h.role in ('hold', 'keep')
        union all
        select from other_ways
      )
  ),
  due as materialized (
    select w.to_policy as policy, w.is_up,
      'and ' || nightshift.due_by_policy(case when w.is_up then 'x' else 't' end, p, run.started_at) as condition
    from (select distinct w.to_policy, w.is_up from ways w where w.kind = 'due') w
    join nightshift.retention_policies p on p.relation::oid = w.to_policy
  ),
  joins as materialized (
    select j.* from nightshift.key_joins(array(select distinct w.key from ways w)) j
  ),
  branches as (
    select w.policy, w.is_up,
      case when w.is_up then j.referenced_scan else j.referencing_scan end as scan,
      case when w.is_up then j.referenced_leaves else j.referencing_leaves end as leaves,
      format('select %1$s::oid, %2$s.tableoid, %2$s.ctid, %3$L from %4$s %2$s where %5$s %6$s %7$s', w.to_policy, a.alias, w.kind,
        case when w.is_up then j.referencing_scan else j.referenced_scan end, j.condition, d.condition,
        replace(unknown, 'x.', a.alias || '.')) as branch
    from ways w
    join joins j on j.key = w.key
    cross join lateral (select case when w.is_up then 'x' else 't' end) a(alias)
    left join due d on d.policy = w.to_policy and d.is_up = w.is_up and w.kind = 'due'
    where w.indexed
  ),
  by_index as (
    -- OFFSET: for each row by itself, also where only hash joins are allowed.
    select 'select s.* from r cross join lateral (' || string_agg(s.step, ' union all ' order by s.step) || ' offset 0) s' as steps
    from (
      select nightshift.reference_step(b.scan, case when b.is_up then 't' else 'x' end, b.leaves,
        format('r.policy = %s and r.kind %s ''maybe''', b.policy, case when b.is_up then '<>' else '=' end),
        string_agg(b.branch, ' union all ' order by b.branch) || ' offset 0') as step
      from branches b
      group by b.policy, b.is_up, b.scan, b.leaves
      union all
      select nightshift.reference_step(
        nightshift.scan_of(o.member), 't', array(select l::oid from nightshift.all_leaf_relations(o.member) l),
        format('r.policy = %s and r.kind <> ''maybe''', o.policy),
        format('select %s::oid, t.tableoid, t.ctid, %L where true %s %s', o.to_policy, case when o.is_child then 'maybe' else 'due' end,
          'and ' || case when not o.is_child then nightshift.due_by_policy('t', p, run.started_at) end, replace(unknown, 'x.', 't.'))
      )
      from other_ways o
      join nightshift.retention_policies p on p.relation::oid = o.to_policy
    ) s
  ),
  by_scan as (
    select string_agg(format(
      'select x.* from (
         select %1$s::oid, x.tableoid, x.ctid, %2$L
         from (
           select t.*
           from r
           cross join lateral (select t.* from %3$s t where t.tableoid = r.relation and t.ctid = r.tid offset 0) t
           where r.policy = %4$s and r.kind <> ''maybe'' and r.relation = any(%5$L::oid[])
           offset 0
         ) t
         join %6$s x on %7$s %8$s
         -- Else a hash join may look for a row of x first, and read all of it where none is due.
         where exists (select from r where r.policy = %4$s and r.kind <> ''maybe'' and r.relation = any(%5$L::oid[]))
         offset 0
       ) x(policy, tableoid, ctid, kind)
       where true %9$s',
      w.to_policy, w.kind, j.referenced_scan, w.policy, j.referenced_leaves, j.referencing_scan, j.condition, d.condition, unknown
    ), ' union all ' order by w.key, w.policy, w.to_policy, w.kind) as steps
    from ways w
    join joins j on j.key = w.key
    left join due d on d.policy = w.to_policy and d.is_up and w.kind = 'due'
    where not w.indexed
  )
  select concat_ws(' union all ', i.steps, s.steps), s.steps is not null into steps, reads_whole_tables
  from by_index i
  cross join by_scan s;

  reached := seeds;
  complete := true;
  ahead := '{}';
  if steps = '' then
    return;
  end if;
  -- A table whose key has no index is read as a whole, but for all rows that lead to it at once. How many these are Postgres
  -- cannot know: it expects one, and where few rows of the table are due, it would rather read the table for each.
  perform set_config('enable_hashjoin', reads_whole_tables::text, true), set_config('enable_nestloop', (not reads_whole_tables)::text, true);
  execute format(
    'with recursive reached(policy, relation, tid, kind) as (
       select s.policy, s.relation, t.tid, ''due'' from unnest($1) s cross join lateral unnest(s.tids) t(tid)
       union
       select f.policy, f.relation, f.tid, f.kind
       from (with r as materialized (select * from reached) %s) f(policy, relation, tid, kind)
     ),
     numbered as materialized (
       select r.*, row_number() over () as n from (select * from reached limit %s) r
     )
     select
       (
         select array_agg(row(g.policy, g.relation, g.due, g.tids)::nightshift.row_set)
         from (
           select n.policy, n.relation, k.due, array_agg(n.tid order by n.n) as tids
           from numbered n
           cross join lateral (select case n.kind when ''due'' then true when ''child'' then false end) k(due)
           group by n.policy, n.relation, k.due
         ) g
       ),
       (select count(*) <= %s from numbered),
       (
         select array_agg(row(g.policy, g.relation, true, g.tids)::nightshift.row_set)
         from (
           select l.policy, l.relation, array_agg(l.tid) as tids
           from (
             select n.* from numbered n
             where n.kind = ''due'' and n.n > %s
               and (n.relation, n.tid) not in (select p.relation, p.tid from nightshift.purge_pending p where p.run_id = %L and p.level > 0)
             order by n.n desc limit %s
           ) l
           group by l.policy, l.relation
         ) g
       )',
    steps, nightshift.count_rows(seeds) + max_rows + 1, nightshift.count_rows(seeds) + max_rows,
    nightshift.count_rows(seeds), run.id, greatest(max_rows / 8, 1)
  )
  into reached, complete, ahead using seeds;
  reached := coalesce(reached, '{}');
  ahead := coalesce(ahead, '{}');
end;
$$;

comment on function nightshift.reach_rows is
  'The rows that would have to go with seeds: children, and due rows of the policies in component that refer to them, directly or not, each seen once. due is null for rows that may be children: what they would go with is reached as well, and what would go with them only from there. Not complete when there are more than max_rows besides the seeds; ahead is then the due rows seen last.';
