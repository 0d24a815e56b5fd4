-- Whether what somebody asks for is there, before a run of it begins.
-- Why: a misspelt table is a slip of whoever waits for the answer, not a failure of the night that has to be looked into.
-- Locks: none.

create or replace function nightshift.require_known_names(job text, input jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  wanted constant text[] := array(
    select jsonb_array_elements_text(n.names)
    from unnest(array[input -> 'only', input -> 'force']) n(names)
    where jsonb_typeof(n.names) = 'array'
  );
begin
  case job
    when 'retention-purge' then
      perform nightshift.follow_tables();
      perform nightshift.require_retention_policies(wanted);
    when 'view-refresh' then
      perform nightshift.require_refresh_policies(wanted);
    when 'partition-maintenance' then
      perform nightshift.require_partition_policies(wanted);
    when 'table-vacuum' then
      perform nightshift.require_tables(wanted);
      perform nightshift.require_indexes(array(
        select jsonb_array_elements_text(n.names) from (select input -> 'reindex') n(names) where jsonb_typeof(n.names) = 'array'
      ));
    when 'health-check' then
      perform nightshift.require_health_checks(wanted);
    else
      -- The ledger takes any job.
  end case;
end;
$$;

comment on function nightshift.require_known_names is
  'Raises NS404, with what there is, for a table, a view, an index or a check that the input of a run names and that the job does not know; NS422 for a view whose policy is switched off, or a partition that was retired.';
