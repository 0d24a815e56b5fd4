create or replace function nightshift.cancellation(requested_at timestamptz, requested_by text)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'code', 'NS410',
    'message', 'The run was cancelled' || coalesce(' by ' || requested_by, ''),
    'detail', format('At %s UTC.', to_char(requested_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')),
    'hint', 'What it had committed stays; the next run goes on from there.'
  );
$$;

comment on function nightshift.cancellation is
  'The error of a run that somebody cancelled: who did, when, and what became of its work.';
