-- The plan of a purge: how much is due, and which policies a run covers.
-- Why: what a run may touch is fixed when it begins, and what it would remove is measured before it removes anything.
-- Locks: none on any existing object; at run time it reads.

create function nightshift.measure_backlog(
  policy nightshift.retention_policies,
  as_of timestamptz,
  budget_ms integer default 300
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
  stop_at constant timestamptz := clock_timestamp() + make_interval(secs => budget_ms / 1000.0);
  due text := nightshift.due_condition(
    'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, as_of
  );
  pages bigint;
  percent numeric;
  due_cursor refcursor;
  stride integer := 500;
  moved bigint;
  due_rows bigint := 0;
  due_exact boolean := true;
  total_rows bigint;
  sampled_due bigint;
  oldest timestamptz;
begin
  select sum(pg_relation_size(l) / current_setting('block_size')::integer) into pages
  from nightshift.leaf_relations(policy.relation) l;
  percent := case when coalesce(pages, 0) <= counted_pages then 100 else 100.0 * sampled_pages / pages end;

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

  execute format(
    'select count(*), count(*) filter (where %s) from %s r %s',
    due, nightshift.scan_of(policy.relation), case when percent < 100 then format('tablesample system (%s)', percent) else '' end
  ) into total_rows, sampled_due;
  total_rows := round(total_rows * 100 / percent);
  if not due_exact then
    due_rows := greatest(due_rows, round(sampled_due * 100 / percent));
  end if;

  if due_rows > 0 then
    execute format(
      'select min(r.%1$I)%2$s from %3$s r where %4$s',
      policy.marker_column,
      -- Without a zone, times are UTC, whatever the session says.
      case when nightshift.column_type(policy.relation, policy.marker_column) = 'timestamptz'::regtype
        then '' else '::timestamp at time zone ''UTC''' end,
      nightshift.scan_of(policy.relation), due
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
  'How many rows of a policy are due, out of how many. Due rows are counted exactly while budget_ms lasts (default 300), then estimated from about 1,000 random pages, as is the total of a table over 32 MB; the Exact flags say which. overdueSeconds: how long the oldest due row has been due.';

create function nightshift.list_retention_policies(as_of timestamptz default now(), budget_ms integer default 3000)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  policy nightshift.retention_policies;
  policies integer := (select count(*) from nightshift.retention_policies);
  entry jsonb;
  entries jsonb := '[]';
begin
  for policy in select p.* from nightshift.retention_policies p order by p.relation::text loop
    entry := nightshift.describe_retention_policy(policy);
    begin
      entry := entry
        || jsonb_build_object('warnings', nightshift.retention_warnings(policy.relation))
        || nightshift.measure_backlog(policy, as_of, least(300, budget_ms / policies));
    exception
      when sqlstate 'NS404' or sqlstate 'NS422' or insufficient_privilege or lock_not_available then
        entry := entry || jsonb_build_object('problem', jsonb_build_object('code', sqlstate, 'message', sqlerrm));
    end;
    entries := entries || entry;
  end loop;
  return entries;
end;
$$;

comment on function nightshift.list_retention_policies is
  'Every policy with its backlog (dueRows of totalRows, oldestDueAt, overdueSeconds) and last purge, as one JSON array. A policy that no longer fits its table carries problem instead. budget_ms: time for counting in all, default 3000; what does not fit is estimated and flagged.';

create function nightshift.plan_retention_purge(run_id uuid, fence bigint, only_relations text[] default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  run nightshift.runs;
  chosen regclass[];
  unknown text;
begin
  run := nightshift.hold_run(run_id, fence);

  select string_agg(o, ', ') into unknown
  from unnest(only_relations) o
  where not exists (
    select 1 from nightshift.retention_policies p where p.relation = nightshift.find_relation(o)
  );
  if unknown is not null then
    raise exception using
      errcode = 'NS404',
      message = format('No retention policy for: %s', unknown),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(p.relation::text, ', ' order by p.relation::text) from nightshift.retention_policies p), 'no table')),
      hint = 'Name tables with their schema and with quotes where SQL needs them, like public."Product".';
  end if;

  select coalesce(array_agg(p.relation order by p.relation::text), '{}') into chosen
  from nightshift.retention_policies p
  where p.enabled
    -- A continued run keeps to what it began with.
    and (run.progress -> 'scope' is null or run.progress -> 'scope' @> to_jsonb(p.relation::oid::bigint))
    and (only_relations is null or p.relation in (select nightshift.find_relation(o) from unnest(only_relations) o));

  -- The scope is kept in the ledger: no batch of this run can touch a table that this plan did not name.
  update nightshift.runs r
  set progress = jsonb_build_object('scope', to_jsonb(chosen::oid[]::bigint[]), 'steps', '{}'::jsonb) || r.progress
  where r.id = plan_retention_purge.run_id;

  return jsonb_build_object(
    'policies', coalesce((
      select jsonb_agg(
        nightshift.describe_retention_policy(p)
        || jsonb_build_object(
          'warnings', nightshift.retention_warnings(p.relation),
          'referencedBy', (
            select coalesce(jsonb_agg(distinct o.relation::text), '[]')
            from nightshift.retention_policies o
            where o.relation = any(chosen)
              and o.relation <> p.relation
              and exists (
                select 1
                from nightshift.leaf_relations(p.relation) l, nightshift.referencing_keys(l) k
                where o.relation = k.referencing
                  or o.relation in (select a.relid from pg_catalog.pg_partition_ancestors(k.referencing) a(relid))
                  or k.referencing in (select a.relid from pg_catalog.pg_partition_ancestors(o.relation) a(relid))
              )
          )
        )
        order by p.relation::text
      )
      from nightshift.retention_policies p
      where p.relation = any(chosen)
    ), '[]'),
    'disabled', coalesce((
      select jsonb_agg(p.relation::text order by p.relation::text)
      from nightshift.retention_policies p
      where not p.enabled and (only_relations is null or p.relation in (select nightshift.find_relation(o) from unnest(only_relations) o))
    ), '[]')
  );
end;
$$;

comment on function nightshift.plan_retention_purge is
  'The enabled policies that this run covers, each with the other covered tables that refer to it (referencedBy), and the tables whose policy is disabled; fixes the former as the scope of the run. only_relations: names as SQL writes them; null for all. Errors: NS404 for a name without a policy, NS409 lease lost.';

create function nightshift.measure_retention_backlog(
  run_id uuid,
  fence bigint,
  relation text,
  again boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '2s'
set lock_timeout = '1s'
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  policy nightshift.retention_policies;
  backlog jsonb := run.progress #> array['backlogs', measure_retention_backlog.relation];
begin
  if backlog is not null and not again then
    return backlog;
  end if;
  select p.* into policy from nightshift.retention_policies p
  where p.relation = nightshift.find_relation(measure_retention_backlog.relation);
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no retention policy', measure_retention_backlog.relation),
      hint = 'It was removed, or its table dropped or renamed, since the run began.';
  end if;
  backlog := nightshift.measure_backlog(policy, run.started_at);
  if not again then
    update nightshift.runs r
    set progress = r.progress || jsonb_build_object(
      'backlogs',
      coalesce(r.progress -> 'backlogs', '{}') || jsonb_build_object(measure_retention_backlog.relation, backlog)
    )
    where r.id = run.id;
  end if;
  return backlog;
end;
$$;

comment on function nightshift.measure_retention_backlog is
  'The backlog of one policy as of the start of the run: dueRows, totalRows, their Exact flags, oldestDueAt, overdueSeconds. Measured once and kept in the ledger, so that a continued run knows what it began with; again measures what is left now. statement_timeout 2 s: right after a large purge the index is full of dead entries. Errors: NS404, NS409, NS422.';

revoke all on function
  nightshift.measure_backlog, nightshift.list_retention_policies, nightshift.plan_retention_purge,
  nightshift.measure_retention_backlog
from public, anon, authenticated;
grant execute on function
  nightshift.list_retention_policies, nightshift.plan_retention_purge, nightshift.measure_retention_backlog
to service_role;
