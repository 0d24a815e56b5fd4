create or replace function nightshift.measure_backlog(
  policy nightshift.retention_policies,
  as_of timestamptz,
  budget_ms integer default null,
  sample_due boolean default false
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set row_security = off
-- The cursor is read to its end more often than not: right after a purge the way past dead index entries is the longer one.
set cursor_tuple_fraction = 1
as $$
declare
  -- Below 32 MB a table is counted whole; above it about 1,000 random pages are counted instead.
  counted_pages constant integer := 4096;
  sampled_pages constant integer := 1000;
  -- Below 1 MB it takes no longer than to ask the index.
  few_pages constant integer := 128;
  -- So many that the sample has enough of them.
  max_counted constant integer := 20000;
  many_leaves constant integer := 32;
  -- Right behind a large purge, and as long as an old snapshot keeps what it deleted, an index is full of these.
  many_dead_rows constant integer := 200000;
  leaves constant regclass[] := array(select l from nightshift.leaf_relations(policy.relation) l);
  dead constant bigint := nightshift.dead_rows(leaves::oid[]);
  crowded constant boolean := dead > many_dead_rows;
  stop_at constant timestamptz := clock_timestamp() + make_interval(secs => coalesce(
    budget_ms, case when cardinality(leaves) > many_leaves then 1000 else 300 end
  ) / 1000.0);
  due text := nightshift.due_condition(
    'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, as_of
  );
  pages bigint;
  percent numeric;
  due_cursor refcursor;
  stride integer := 500;
  moved bigint;
  due_rows bigint := 0;
  due_exact boolean;
  total_rows bigint;
  sampled_due bigint;
  oldest timestamptz;
  -- Without a zone, times are UTC, whatever the session says.
  in_utc constant text := case when nightshift.column_type(policy.relation, policy.marker_column) = 'timestamptz'::regtype
    then '' else '::timestamp at time zone ''UTC''' end;
begin
  -- Both may have been attached since the policy was declared.
  perform nightshift.require_one_policy(policy.relation);
  perform nightshift.require_own_rows(policy.relation);
  if cardinality(leaves) > many_leaves then
    select m.due_rows, m.is_exact, m.total_rows, m.oldest into due_rows, due_exact, total_rows, oldest
    from nightshift.measure_leaves(policy, leaves::oid[], due, as_of, stop_at) m;
    return jsonb_build_object(
      'dueRows', due_rows,
      'dueRowsExact', due_exact,
      'totalRows', total_rows,
      'totalRowsExact', false,
      'oldestDueAt', oldest,
      'overdueSeconds', extract(epoch from as_of - (oldest + policy.drop_after))::bigint
    );
  end if;
  select sum(pg_relation_size(l) / current_setting('block_size')::integer) into pages from unnest(leaves) l;
  -- Where a flag decides, too, an index of the marker may be walked from end to end.
  if sample_due and policy.flag_column is null and pages > greatest(few_pages, dead / 4) then
    -- Of most tables nothing is due, and how many rows these have, a purge need not know to the row.
    -- The brake asks for it all the same, so it grows with the file, as for the planner.
    select round(sum(c.reltuples / nullif(c.relpages, 0) * l.pages)) into total_rows
    from (
      select u.oid, pg_relation_size(u.oid) / current_setting('block_size')::integer as pages from unnest(leaves::oid[]) u(oid)
    ) l
    join pg_catalog.pg_class c on c.oid = l.oid
    where l.pages > 0
    having min(c.reltuples) > 0;
    if total_rows is not null and not exists (
      select from unnest(leaves) l
      where nightshift.marker_walk(l, policy.marker_column, due) is distinct from 'index'
        -- It begins behind the rows whose marker says never.
        or nightshift.has_due_rows(l, policy.marker_column, format('%s and r.%I > %L', due, policy.marker_column, '-infinity'))
    ) then
      return jsonb_build_object(
        'dueRows', 0,
        'dueRowsExact', true,
        'totalRows', total_rows,
        'totalRowsExact', false,
        'oldestDueAt', null,
        'overdueSeconds', null
      );
    end if;
  end if;
  percent := case when coalesce(pages, 0) <= counted_pages then 100 else 100.0 * sampled_pages / pages end;

  execute format(
    'select count(*), count(*) filter (where %1$s), (min(r.%2$I) filter (where %1$s))%3$s from %4$s r %5$s',
    due, policy.marker_column, in_utc, nightshift.scan_of(policy.relation),
    case when percent < 100 then format('tablesample system (%s)', percent) else '' end
  ) into total_rows, sampled_due, oldest;
  total_rows := round(total_rows * 100 / percent);
  sampled_due := round(sampled_due * 100 / percent);

  due_exact := percent = 100 or not (
    sample_due and sampled_due > max_counted or crowded
  );
  if percent = 100 then
    due_rows := sampled_due;
  elsif due_exact then
    open due_cursor no scroll for execute format('select from %s r where %s', nightshift.scan_of(policy.relation), due);
    loop
      move forward stride in due_cursor;
      get diagnostics moved = row_count;
      due_rows := due_rows + moved;
      exit when moved < stride;
      stride := least(stride * 2, 20000);
      due_exact := clock_timestamp() < stop_at;
      exit when not due_exact;
    end loop;
    close due_cursor;
  end if;
  if not due_exact then
    due_rows := greatest(due_rows, sampled_due);
  end if;

  -- Of very many due rows only an index in order knows the oldest; else it is that of the sample.
  if due_rows > 0 and percent < 100 and (due_exact or not crowded and (
    select bool_and(nightshift.marker_walk(l, policy.marker_column, due) = 'index')
    from nightshift.leaf_relations(policy.relation) l
  )) then
    execute format(
      'select min(r.%I)%s from %s r where %s', policy.marker_column, in_utc, nightshift.scan_of(policy.relation), due
    ) into oldest;
  end if;

  return jsonb_build_object(
    'dueRows', due_rows,
    'dueRowsExact', due_exact,
    'totalRows', greatest(total_rows, due_rows),
    'totalRowsExact', percent = 100,
    'oldestDueAt', oldest,
    'overdueSeconds', extract(epoch from as_of - (oldest + policy.drop_after))::bigint
  );
end;
$$;

comment on function nightshift.measure_backlog is
  'How many rows of a policy are due, out of how many. A table of up to 32 MB is counted in one scan. Of a larger one, due rows are counted exactly while budget_ms lasts (default 300; 1000 for more than 32 partitions), then estimated from about 1,000 random pages, as is the total (of more than 32 partitions see measure_leaves); sample_due: more than about 20,000 due rows of such a table are estimated at once, and all of one with more than 200,000 dead rows are, and where the index of the marker alone says that none is due, the total is what the statistics say. The Exact flags say which. overdueSeconds: how long the oldest due row has been due.';
