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
as $$
declare
  -- Only a run that knows of rows has to ask for each what it knows.
  unknown constant text := case
    when exists (select from nightshift.purge_decisions d where d.run_id = run.id) then format(
      'and not exists (select from nightshift.purge_decisions d where d.run_id = %L and d.relation = x.tableoid and d.tid = x.ctid)',
      run.id
    )
    else ''
  end;
  steps text;
begin
  with keys as materialized (
    select k.*, nightshift.reference_join(k.key, true) as upwards
    from unnest(reach_rows.keys) k
  ),
  members as materialized (
    select m.*, array(select nightshift.related_tables(m.member)) as related from nightshift.policy_members(component) m
  )
  select string_agg(b.step, ' union all ') into steps
  from (
    -- Children go with the row that they refer to.
    select format('select %s::oid, x.tableoid, x.ctid, ''child'' from %s and r.policy = %s %s', k.policy, k.upwards, k.policy, unknown)
    from keys k where k.role = 'child'
    union all
    -- A row that refers may be due itself.
    select format('select %s::oid, x.tableoid, x.ctid, ''due'' from %s and r.policy = %s and x.tableoid = any(%L::oid[]) and (%s) is true %s',
      p.relation::oid, k.upwards, k.policy, array(select l::oid from nightshift.leaf_relations(p.relation) l),
      nightshift.due_condition('x', p.relation, p.drop_after, p.marker_column, p.flag_column, run.started_at), unknown)
    from keys k
    join members m on not m.is_child and k.referencing::oid = any(m.related)
    join nightshift.retention_policies p on p.relation = m.member
    where k.role in ('hold', 'keep')
    union all
    -- Or the child of another row that is due: then that one comes into it too.
    select format('select %s::oid, x.tableoid, x.ctid, ''maybe'' from %s and r.policy = %s %s', m.policy, k.upwards, k.policy, unknown)
    from keys k
    join members m on m.is_child and k.referencing::oid = any(m.related)
    where k.role in ('hold', 'keep')
    union all
    select format('select %s::oid, t.tableoid, t.ctid, %L from %s and r.policy = %s and r.kind = ''maybe'' %s %s', k.policy,
      case when m.is_child then 'maybe' else 'due' end,
      nightshift.reference_join(k.key, false), k.policy,
      case when not m.is_child then format('and t.tableoid = any(%L::oid[]) and (%s) is true',
        array(select l::oid from nightshift.leaf_relations(p.relation) l),
        nightshift.due_condition('t', p.relation, p.drop_after, p.marker_column, p.flag_column, run.started_at)) end,
      replace(unknown, 'x.', 't.'))
    from keys k
    join members m on m.policy = k.policy and k.referenced::oid = any(m.related)
    join nightshift.retention_policies p on p.relation::oid = k.policy
    where k.role = 'child'
      and exists (
        select from keys h join members c on c.is_child and h.referencing::oid = any(c.related) where h.role in ('hold', 'keep')
      )
  ) b(step);

  reached := seeds;
  complete := true;
  ahead := '{}';
  if steps is null then
    return;
  end if;
  execute format(
    'with recursive reached(policy, relation, tid, kind) as (
       select s.policy, s.relation, t.tid, ''due'' from unnest($1) s cross join lateral unnest(s.tids) t(tid)
       union
       select f.policy, f.relation, f.tid, f.kind
       from reached r cross join lateral (%s) f(policy, relation, tid, kind)
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
               and (n.relation, n.tid) not in (select p.relation, p.tid from nightshift.purge_pending p where p.run_id = %L)
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
  'The rows that would have to go with seeds: children, and due rows of the policies in component that refer to them, directly or not, each seen once. due is null for rows that may be children of a due row. Not complete when there are more than max_rows besides the seeds; ahead is then the due rows seen last.';
