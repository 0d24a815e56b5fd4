create or replace function nightshift.purged_tables(as_of timestamptz default now())
returns table (relation oid, purged_at timestamptz)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select b.relation, max(coalesce(r.finished_at, r.heartbeat_at))
  from nightshift.runs r
  cross join lateral jsonb_each(r.progress -> 'steps') s(name, step)
  cross join lateral (
    select s.name where coalesce((s.step ->> 'rowsPurged')::bigint, 0) > 0
    union
    select jsonb_object_keys(s.step -> 'children')
    -- To set a reference to null leaves a dead row as well.
    union
    select jsonb_object_keys(s.step -> 'released')
  ) t(name)
  cross join lateral nightshift.partitions_below(to_regclass(t.name)) b(relation)
  where r.job = 'retention-purge' and not r.dry_run
    and r.started_at > purged_tables.as_of - interval '2 days'
    and to_regclass(t.name) is not null
  group by b.relation;
$$;

comment on function nightshift.purged_tables is
  'The tables from which purges of the last two days took rows, or in which they released references, with their partitions, and when.';
