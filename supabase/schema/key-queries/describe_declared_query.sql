create or replace function nightshift.describe_declared_query(query nightshift.key_queries)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  return jsonb_build_object(
    'name', query.name, 'sql', query.sql, 'maxMs', query.max_ms, 'createdAt', query.created_at,
    'plan', nightshift.plan_shape(nightshift.explain_key_query(query.sql, run_it => false))
  );
end;
$$;

comment on function nightshift.describe_declared_query is
  'What was declared, for whoever declared it: name, sql, maxMs, createdAt, plan (see plan_shape) as Postgres plans it now.';
