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
    from nightshift.vacuum_states(
      (select array_agg(nightshift.find_relation(o)::oid) from unnest(tables_to_vacuum.only_tables) o), tables_to_vacuum.as_of
    ) s
  ) d;
$$;

comment on function nightshift.tables_to_vacuum is
  'The tables that a vacuum is due for, or those named, each as describe_vacuum_state has it, in the order in which a run vacuums them.';
