create or replace function nightshift.key_query_states(as_of timestamptz)
returns table (
  name text,
  max_ms numeric,
  created_at timestamptz,
  measured_at timestamptz,
  runs integer,
  min_ms numeric,
  median_ms numeric,
  blocks_hit bigint,
  blocks_read bigint,
  plan text,
  verdict text,
  failure text,
  stopped_ms numeric,
  usual_ms numeric,
  usual_plan text,
  is_confirmed boolean,
  since timestamptz
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select q.name, q.max_ms, q.created_at, l.measured_at, l.runs, l.min_ms, l.median_ms, l.blocks_hit, l.blocks_read, l.plan,
    l.verdict, l.failure, l.stopped_ms, u.ms, u.plan, streak.length >= 2, streak.since
  from nightshift.key_queries q
  left join lateral (
    select t.*
    from nightshift.key_query_times t
    where t.query = q.name and t.measured_at <= key_query_states.as_of
    order by t.id desc
    limit 1
  ) l on true
  left join lateral (
    select count(*) as length, min(t.id) as first_id, min(t.measured_at) as since
    from nightshift.key_query_times t
    where t.query = q.name and t.id <= l.id and t.verdict = l.verdict and not exists (
      select from nightshift.key_query_times o
      where o.query = q.name and o.id > t.id and o.id < l.id and o.verdict is distinct from l.verdict and o.failure is null
    )
  ) streak on true
  left join lateral nightshift.usual_time_of(
    q.name, case when l.verdict in ('slower', 'faster') then streak.first_id else l.id end
  ) u on true;
end;
$$;

comment on function nightshift.key_query_states is
  'How each key query is: what is known of the last time it was measured (null: never), what was usual before it became as it is, since when it has its verdict, and whether a second time in a row has confirmed that.';
