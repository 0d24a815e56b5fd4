create or replace function nightshift.count_between(policy nightshift.partition_policies, relation regclass, bounds timestamp[])
returns table (lower timestamp, upper timestamp, row_count bigint)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  key record := nightshift.partition_key(policy.parent);
  literals text[] := array(
    select nightshift.bound_of_time(b.at, key.type, policy.epoch) from unnest(bounds) with ordinality b(at, position) order by b.position
  );
begin
  return query execute format(
    'select $1[r.bucket], $1[r.bucket + 1], r.row_count
     from (
       select width_bucket(r.%1$I, array[%2$s]::%3$s[]) as bucket, count(*) as row_count
       from only %4$s r where r.%1$I >= %5$s and r.%1$I < %6$s%7$s group by 1
     ) r',
    key.column_name, array_to_string(literals, ', '), key.type, nightshift.trusted_name(relation), literals[1], literals[cardinality(literals)],
    -- A random uuid is of no time.
    case when key.type = 'uuid'::regtype then format(' and substr(r.%I::text, 15, 1) = ''7''', key.column_name) end
  ) using bounds;
end;
$$;

comment on function nightshift.count_between is
  'How many rows of a table lie from each of the bounds, in the order of time, to the next; without those where there are none.';
