create or replace function nightshift.describe_step(step nightshift.ddl_step)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('statement', step.statement, 'why', step.why, 'lock', step.lock);
$$;

comment on function nightshift.describe_step is 'A statement as callers are told of it: {statement, why, lock}.';
