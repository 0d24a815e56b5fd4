create or replace function nightshift.describe_refresh(refresh nightshift.view_refreshes)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'outcome', refresh.status,
    'reason', refresh.reason,
    'detail', refresh.detail,
    'mode', refresh.mode,
    'startedAt', refresh.started_at,
    'durationMs', refresh.duration_ms,
    'rows', refresh.row_count,
    'sizeBytes', refresh.size_bytes,
    'deadRows', refresh.dead_rows
  );
$$;

comment on function nightshift.describe_refresh is 'The JSON document of a refresh.';
