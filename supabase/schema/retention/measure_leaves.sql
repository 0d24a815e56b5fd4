-- The backlog of a table with very many partitions, leaf by leaf.
-- Why: a query on all of them takes longer to plan than to run, and locks each, with its indexes, until it ends.
-- Locks: at run time ACCESS SHARE on up to 100 leaves at a time.

create or replace function nightshift.measure_leaves(
  policy nightshift.retention_policies,
  leaves oid[],
  due text,
  as_of timestamptz,
  stop_at timestamptz,
  out due_rows bigint,
  out is_exact boolean,
  out total_rows bigint,
  out oldest timestamptz
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set row_security = off
as $$
declare
  max_leaves constant integer := 100;
  -- So many are counted in milliseconds.
  max_rows constant integer := 20000;
  in_utc constant text := case when nightshift.column_type(policy.relation, policy.marker_column) = 'timestamptz'::regtype
    then '' else '::timestamp at time zone ''UTC''' end;
  -- In no order of time: what there is time for says about how much is due in the others.
  may_have_due constant oid[] := array(
    select l from nightshift.partitions_before(policy.relation, policy.marker_column, least(as_of, now()) - policy.drop_after) l
    where l in (select unnest(leaves))
    order by hashoid(l)
  );
  chunk oid[];
  names text[];
  leaf_name text;
  looked_at integer := 0;
  found_rows bigint;
  found_at timestamptz;
  unknown_leaves oid[];
begin
  due_rows := 0;
  is_exact := true;
  while looked_at < cardinality(may_have_due) and (looked_at = 0 or clock_timestamp() < stop_at) loop
    begin
      chunk := may_have_due[looked_at + 1:looked_at + max_leaves];
      names := nightshift.trusted_names(chunk);
      for n in 1..cardinality(chunk) loop
        looked_at := looked_at + 1;
        leaf_name := names[n];
        -- Most have none, and this takes half as long as to count them.
        execute format('select from only %s r where %s limit 1', leaf_name, due);
        get diagnostics found_rows = row_count;
        if found_rows > 0 then
          execute format(
            'select count(*), min(x.at)%s from (select r.%I as at from only %s r where %s limit %s) x',
            in_utc, policy.marker_column, leaf_name, due, max_rows
          ) into found_rows, found_at;
          if found_rows = max_rows then
            is_exact := false;
            found_rows := greatest(found_rows, nightshift.estimate_rows(chunk[n], due));
          end if;
          due_rows := due_rows + found_rows;
          oldest := least(oldest, found_at);
        end if;
        exit when clock_timestamp() > stop_at;
      end loop;
      -- Undone, a look keeps no lock.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then
        null;
    end;
  end loop;
  if looked_at < cardinality(may_have_due) then
    is_exact := false;
    due_rows := due_rows * cardinality(may_have_due) / looked_at;
  end if;
  select coalesce(sum(c.reltuples) filter (where c.reltuples >= 0), 0),
    coalesce(array_agg(l.leaf order by hashoid(l.leaf)) filter (where c.reltuples < 0), '{}')
  into total_rows, unknown_leaves
  from unnest(leaves) l(leaf)
  cross join lateral (select c.reltuples from pg_catalog.pg_class c where c.oid = l.leaf offset 0) c;
  begin
    -- Of those that were never analyzed, some stand for all.
    total_rows := greatest(due_rows, total_rows + coalesce((
      select round(avg(nightshift.estimate_rows(u, 'true')) * cardinality(unknown_leaves))
      from unnest(unknown_leaves[1:max_leaves]) u
    ), 0));
    raise exception using errcode = 'NS200';
  exception
    when sqlstate 'NS200' then
      null;
  end;
end;
$$;

comment on function nightshift.measure_leaves is
  'How many rows of a policy are due, the marker of the oldest, and about how many rows the table has. Leaves that have none by their bounds are not looked at. Not exact when there was no time until stop_at for all leaves, or one has more than 20,000: then it is an estimate.';
