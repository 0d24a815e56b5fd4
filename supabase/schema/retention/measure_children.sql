create or replace function nightshift.measure_children(policy nightshift.retention_policies, as_of timestamptz, budget_ms integer default 4000)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + make_interval(secs => budget_ms / 1000.0);
  children constant integer := (select count(*) from nightshift.policy_members(array[policy.relation::oid]) m where m.is_child);
  -- Rows are counted as those of the backlog are: a table over 32 MB is sampled, or a smaller one of many.
  counted_pages constant integer := greatest(least(4096, 16384 / greatest(children, 1)), 1000);
  sampled_pages constant integer := 1000;
  -- To look what a row refers to takes many times as long: 2 MB of all tables together say which share is due.
  looked_at_pages constant integer := greatest(250 / greatest(children, 1), 50);
  -- Rows of one page are alike, and narrow ones are many: more of them would say little more.
  looked_at_rows constant integer := greatest(10000 / greatest(children, 1), 2000);
  child record;
  condition text;
  pages bigint;
  percent numeric;
  total_rows numeric;
  due_percent numeric;
  row_share numeric;
  due_share numeric;
  measured jsonb := '{}';
begin
  for child in
    select m.member from nightshift.policy_members(array[policy.relation::oid]) m where m.is_child order by m.member::oid
  loop
    pages := nightshift.pages_of(child.member);
    percent := case when pages <= counted_pages then 100 else 100.0 * sampled_pages / pages end;
    due_percent := case when pages <= looked_at_pages then 100 else 100.0 * looked_at_pages / pages end;
    execute format('select count(*) from %s x %s', nightshift.scan_of(child.member),
      case when percent < 100 then format('tablesample system (%s)', percent) else '' end) into total_rows;
    total_rows := round(total_rows * 100 / percent);
    row_share := case when due_percent = 100 then 1 else looked_at_rows / greatest(total_rows * due_percent / 100, 1) end;
    -- Of what there is no time for, the brake itself has to be asked.
    condition := case when clock_timestamp() < stop_at then nightshift.child_condition(policy, child.member, as_of) end;
    execute format('select avg(case when %s then 1 else 0 end) from %s x %s', coalesce(condition, 'false'), nightshift.scan_of(child.member),
      case when due_percent < 100 then format('tablesample system (%s) where random() < %s', due_percent, row_share) else '' end) into due_share;
    measured := measured || jsonb_build_object(child.member::text, jsonb_build_object(
      'totalRows', total_rows,
      'totalRowsExact', percent = 100,
      'dueRows', case when condition is not null then round(total_rows * coalesce(due_share, 0)) end,
      'dueRowsExact', due_percent = 100
    ));
  end loop;
  return measured;
end;
$$;

comment on function nightshift.measure_children is
  'Of each table of children of a policy, how many rows it has (exactly below 32 MB, of up to four tables) and how many refer to due rows, held or not (exactly where all tables together are below 2 MB); null where they refer to each other, and once budget_ms, default 4000, is over.';
