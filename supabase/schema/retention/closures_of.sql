create or replace function nightshift.closures_of(
  rows nightshift.row_set[],
  keys nightshift.purge_key[],
  max_members integer,
  out due_rows nightshift.held_row[],
  out members nightshift.row_set[],
  out ends integer[],
  out dependent integer[],
  out depends_on integer[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_mergejoin = off
set enable_hashjoin = on
set enable_nestloop = off
set plan_cache_mode = force_generic_plan
as $$
declare
  seeds integer[];
  policies oid[];
  relations oid[];
  is_due boolean[];
  addresses tid[];
begin
  with recursive inside as materialized (
    select s.policy, s.relation, s.due, t.tid, row_number() over (order by t.position desc, s.position) as n
    from unnest(rows) with ordinality s(policy, relation, due, tids, position)
    cross join lateral unnest(s.tids) with ordinality t(tid, position)
  ),
  links as materialized (
    select f.policy, f.relation, f.tid, i.policy as referencing_policy, i.relation as referencing_relation, i.due as referencing_due,
      i.tid as referencing_tid
    from inside i
    join nightshift.find_references(rows, rows, array(select k from unnest(keys) k where k.role <> 'release')) f
      on f.referencing_relation = i.relation and f.referencing_tid = i.tid
  ),
  needed(n, policy, relation, due, tid) as (
    select i.n, i.policy, i.relation, i.due, i.tid from inside i where i.due
    union
    select r.n, l.referencing_policy, l.referencing_relation, l.referencing_due, l.referencing_tid
    from needed r
    join links l on l.policy = r.policy and l.relation = r.relation and l.tid = r.tid
  ),
  found as materialized (
    select d.* from needed d limit max_members + 1
  )
  select array_agg(f.n), array_agg(f.policy), array_agg(f.relation), array_agg(f.due), array_agg(f.tid)
  into seeds, policies, relations, is_due, addresses
  from found f;
  due_rows := '{}';
  if cardinality(seeds) > max_members then
    return;
  end if;
  with found as materialized (
    select f.* from unnest(seeds, policies, relations, is_due, addresses) f(seed, policy, relation, due, tid)
  ),
  -- What others go only with comes before them.
  seed as materialized (
    select s.seed, s.policy, s.relation, s.tid, row_number() over (order by s.members, s.seed) as n
    from (
      select f.seed, count(*) over (partition by f.seed) as members, f.policy, f.relation, f.tid,
        row_number() over (partition by f.seed order by f.position) as position
      from unnest(seeds, policies, relations, is_due, addresses) with ordinality f(seed, policy, relation, due, tid, position)
    ) s
    -- The row itself was found first.
    where s.position = 1
  ),
  sets as materialized (
    select s.n, f.policy, f.relation, f.due, array_agg(f.tid) as tids
    from found f join seed s on s.seed = f.seed
    group by s.n, f.policy, f.relation, f.due
  ),
  others as materialized (
    select s.n, o.n as other
    from found f
    join seed s on s.seed = f.seed
    join seed o on o.policy = f.policy and o.relation = f.relation and o.tid = f.tid
    where f.due and o.n <> s.n
  )
  select
    array(select row(s.policy, s.relation, s.tid, null, null)::nightshift.held_row from seed s order by s.n),
    array(select row(s.policy, s.relation, s.due, s.tids)::nightshift.row_set from sets s order by s.n),
    array(select (sum(c.sets) over (order by c.n))::integer from (select s.n, count(*) as sets from sets s group by s.n) c order by c.n),
    array(select o.n::integer from others o order by o.n, o.other),
    array(select o.other::integer from others o order by o.n, o.other)
  into due_rows, members, ends, dependent, depends_on;
end;
$$;

comment on function nightshift.closures_of is
  'Of rows that can go together, the due ones, and what each goes only with, itself among them: members[ends[n - 1] + 1] to members[ends[n]]. Those with fewest come first. dependent, depends_on: which of them go only with which others. No rows when these are more than max_members.';
