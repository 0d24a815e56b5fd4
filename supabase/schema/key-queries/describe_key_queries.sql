create or replace function nightshift.describe_key_queries(as_of timestamptz default now())
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'name', s.name,
    'maxMs', s.max_ms,
    'measuredAt', s.measured_at,
    'medianMs', s.median_ms,
    'minMs', s.min_ms,
    'usualMs', s.usual_ms,
    'blocksHit', s.blocks_hit,
    'blocksRead', s.blocks_read,
    'verdict', s.verdict,
    'confirmed', s.is_confirmed,
    'since', case when s.verdict in ('slower', 'faster') then s.since end,
    'planHash', md5(s.plan),
    'planChanged', s.plan <> s.usual_plan,
    'failure', s.failure,
    'points', (
      select coalesce(jsonb_agg(jsonb_build_object('at', p.measured_at, 'minMs', p.min_ms, 'medianMs', p.median_ms) order by p.id), '[]')
      from (
        select t.id, t.measured_at, t.min_ms, t.median_ms
        from nightshift.key_query_times t
        where t.query = s.name and t.measured_at <= describe_key_queries.as_of and t.failure is null
        order by t.id desc
        limit 30
      ) p
    )
  ) order by s.name), '[]')
  from nightshift.key_query_states(describe_key_queries.as_of) s;
$$;

comment on function nightshift.describe_key_queries is
  'How long the key queries take, as one JSON array: name, maxMs, measuredAt (null: never), medianMs and minMs of the last few runs, usualMs, blocksHit, blocksRead, verdict (see judge_key_query), confirmed (by a second time in a row), since (slower or faster), planHash, planChanged, failure (the SQLSTATE when it could not run), points (the last 30 times: at, minMs, medianMs). Without their SQL, in which values of the application may stand.';
