-- The order of the turns, and the circles in it, by Tarjan's algorithm: each policy and each key is looked at once.

create or replace function nightshift.purge_order(policies oid[])
returns table (policy oid, "position" bigint, component oid[])
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  n constant integer := cardinality(policies);
  -- Policies by their place in the array: those that one waits for are waits[first[it]] up to waits[first[it + 1] - 1].
  waits integer[];
  first integer[];
  next_wait integer[];
  zeros constant integer[] := array_fill(0, array[n]);
  number integer[] := zeros;
  lowest integer[] := zeros;
  level integer[] := zeros;
  is_open boolean[] := array_fill(false, array[n]);
  path integer[] := zeros;
  depth integer;
  open integer[] := zeros;
  opened integer := 0;
  numbered integer := 0;
  it integer;
  other integer;
  members integer[];
  highest integer;
begin
  with places as materialized (
    select p.policy, p.place::integer from unnest(policies) with ordinality p(policy, place)
  ),
  edges as materialized (
    select l.place as later, e.place as earlier
    from nightshift.purge_waits(policies) w
    join places l on l.policy = w.later
    join places e on e.policy = w.earlier
  )
  select
    (select coalesce(array_agg(e.earlier order by e.later, e.earlier), '{}') from edges e),
    array(
      select 1 + coalesce(sum(c.edges) over (order by s.place rows between unbounded preceding and 1 preceding), 0)::integer
      from generate_series(1, n + 1) s(place)
      left join (select e.later, count(*) as edges from edges e group by e.later) c on c.later = s.place
      order by s.place
    )
  into waits, first;
  next_wait := first;

  for start in 1..n loop
    continue when number[start] > 0;
    path[1] := start;
    depth := 1;
    while depth > 0 loop
      it := path[depth];
      if number[it] = 0 then
        numbered := numbered + 1;
        number[it] := numbered;
        lowest[it] := numbered;
        opened := opened + 1;
        open[opened] := it;
        is_open[it] := true;
      end if;
      if next_wait[it] < first[it + 1] then
        other := waits[next_wait[it]];
        next_wait[it] := next_wait[it] + 1;
        if number[other] = 0 then
          depth := depth + 1;
          path[depth] := other;
        elsif is_open[other] then
          lowest[it] := least(lowest[it], number[other]);
        else
          level[it] := greatest(level[it], level[other] + 1);
        end if;
        continue;
      end if;

      depth := depth - 1;
      if lowest[it] = number[it] then
        -- What was met since and is still open leads back here: a circle, or this one alone.
        members := '{}';
        highest := 0;
        loop
          other := open[opened];
          opened := opened - 1;
          is_open[other] := false;
          members := members || other;
          highest := greatest(highest, level[other]);
          exit when other = it;
        end loop;
        position := highest;
        component := '{}';
        if cardinality(members) > 1 or it = any(waits[first[it]:first[it + 1] - 1]) then
          component := array(select policies[m] from unnest(members) m order by policies[m]);
        end if;
        foreach other in array members loop
          level[other] := highest;
          policy := policies[other];
          return next;
        end loop;
      end if;
      if depth > 0 then
        other := path[depth];
        if is_open[it] then
          lowest[other] := least(lowest[other], lowest[it]);
        else
          level[other] := greatest(level[other], level[it] + 1);
        end if;
      end if;
    end loop;
  end loop;
end;
$$;

comment on function nightshift.purge_order is
  'In which order policies have their turn (ascending position): tables that refer come first, so that what is left of them then, stays. component: the policies, itself among them, whose rows may refer to each other in a circle, and which are decided together; empty where there is no circle.';
