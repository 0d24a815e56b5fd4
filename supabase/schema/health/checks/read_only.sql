-- Health check read_only: whether nothing can be written to this database.
-- Why: Supabase takes a project out of writing when its disk is full, and reading goes on as if nothing were.

create or replace function nightshift.health_read_only(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    'database ' || quote_ident(current_database()),
    (r.replica or r.read_only)::integer::numeric,
    case
      when r.replica then 'It is a replica, or is being recovered.'
      when r.read_only then 'Transactions are read-only by default, as when the disk is full.'
      else 'It can be written to.'
    end,
    -- Where the role itself was made read-only that goes first.
    case when r.read_only and not r.replica
      then 'set session characteristics as transaction read write; -- free space first, then: set default_transaction_read_only = off'
    end,
    null::numeric, null::numeric, null::numeric, null::text
  from (
    select pg_is_in_recovery() as replica, current_setting('default_transaction_read_only')::boolean as read_only
  ) r;
end;
$$;

comment on function nightshift.health_read_only is
  '1 when this database is a replica or its transactions are read-only by default, else 0. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'read_only',
  title => 'Read-only database',
  healthy => 'The database can be written to.',
  why => 'Every write of the application fails, and those of the night shift with it, until there is space again.',
  unit => 'count', critical => 1, quick => true
);
