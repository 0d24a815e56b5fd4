create or replace function nightshift.tables_to_vacuum(only_tables text[] default null, as_of timestamptz default now())
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(d.document order by
    -- After purges first: nothing else leaves so many dead rows at once.
    (d.document ->> 'purged')::boolean desc, d.document ->> 'reason' = 'freeze' desc, d.dead_rows desc, d.document ->> 'table'), '[]')
  from (
    select nightshift.describe_vacuum_state(s) as document, s.dead_rows
    from (select array_agg(nightshift.find_relation(o)::oid) as relations from unnest(tables_to_vacuum.only_tables) o) named
    cross join lateral nightshift.vacuum_states(
      (select array_agg(b.oid) from unnest(named.relations) r(oid) cross join lateral nightshift.partitions_below(r.oid) b(oid)),
      tables_to_vacuum.as_of
    ) s
    where named.relations is null or s.reason is not null or s.relation = any(named.relations)
  ) d;
$$;

comment on function nightshift.tables_to_vacuum is
  'The tables that a vacuum is due for, or those named and what is due of their partitions, each as describe_vacuum_state has it, in the order in which a run vacuums them.';
