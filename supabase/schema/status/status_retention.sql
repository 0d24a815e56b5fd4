create or replace function nightshift.status_retention(as_of timestamptz)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  with outcome as materialized (
    select o.*, case
        when o.failed or o.stuck and coalesce(lead(o.stuck) over w, false) then 'stalled'
        when o.residue is null then 'unknown'
        when o.residue > o.stays then 'behind'
        when o.residue > 0 then 'held'
        else 'kept'
      end as verdict
    from nightshift.purge_outcomes(status_retention.as_of) o
    window w as (partition by o.relation order by o.place)
  ),
  -- Since when it is as it is now: the oldest of the newest runs that say the same.
  newest as (
    select o.relation, o.verdict from outcome o where o.place = 1
  ),
  streak as (
    select o.relation, min(o.place) filter (
      where case n.verdict when 'stalled' then not o.stuck else o.verdict <> n.verdict end
    ) as ended
    from outcome o join newest n using (relation)
    group by o.relation
  ),
  since as (
    select o.relation, min(o.started_at) as at
    from outcome o join streak s using (relation)
    where o.place < coalesce(s.ended, o.place + 1)
    group by o.relation
  ),
  -- Seven nights even out a single long one.
  pace as (
    select d.relation, (max(d.residue) filter (where d.back = d.days) - max(d.residue) filter (where d.back = 1))
      / nullif(max(d.day) - min(d.day), 0) as rows_per_night
    from (
      select o.relation, o.residue, o.day, row_number() over w as back, count(*) over (partition by o.relation) as days
      from outcome o
      where o.is_last_of_day and o.residue is not null and o.day > (status_retention.as_of at time zone 'UTC')::date - 8
      window w as (partition by o.relation order by o.day desc)
    ) d
    group by d.relation
  ),
  history as (
    select o.relation, jsonb_agg(jsonb_build_object('day', o.day, 'rows', o.residue) order by o.day) as backlog
    from outcome o
    where o.is_last_of_day
    group by o.relation
  ),
  gap as (
    select greatest(2 * g.usual, interval '2 days') + interval '2 hours' as patience from nightshift.usual_gap('retention-purge') g(usual)
  ),
  judged as (
    select p as policy, c.oid is null as gone, coalesce(c.oid::regclass::text, p.relation_name, p.relation::text) as name, o.*,
      f.check_name is not null as broken, h.is_shortened, h.chooses_others, n.rows_per_night,
      case
        when not p.enabled then 'off'
        when c.oid is null or f.check_name is not null then 'stalled'
        when o.relation is null then case when p.created_at < status_retention.as_of - gap.patience then 'stalled' else 'unknown' end
        when o.finished_at < status_retention.as_of - gap.patience then 'stalled'
        when h.is_shortened or h.chooses_others then 'unknown'
        else o.verdict
      end as judgement,
      o.finished_at < status_retention.as_of - gap.patience as is_silent,
      s.at as since
    from nightshift.retention_policies p
    cross join gap
    left join pg_catalog.pg_class c on c.oid = p.relation
    -- What a purge left before the policy was declared, it left of another.
    left join outcome o on o.relation = p.relation::text and o.place = 1 and o.started_at >= p.created_at
    -- By a policy that keeps less, or goes by another column, other rows are due than what the purge looked for.
    cross join lateral (
      select o.verdict in ('kept', 'held') and p.drop_after < (o.step ->> 'dropAfter')::interval,
        o.verdict in ('kept', 'held') and o.step ? 'markerColumn'
          and (p.marker_column, p.flag_column) is distinct from ((o.step ->> 'markerColumn')::name, (o.step ->> 'flagColumn')::name)
    ) h(is_shortened, chooses_others)
    left join since s on s.relation = o.relation
    left join pace n on n.relation = o.relation
    left join nightshift.health_findings f on f.check_name = 'policies_broken' and f.level = 'critical'
      and f.subject = 'retention of ' || coalesce(c.oid::regclass::text, p.relation_name, p.relation::text)
  ),
  listed as (
    select j.*, row_number() over (
      order by array_position(array['stalled', 'unknown', 'behind', 'held', 'kept', 'off'], j.judgement), j.residue desc nulls first, j.name
    ) as rank
    from judged j
  )
  select jsonb_build_object(
    'total', (select count(*) from judged),
    'counts', (
      select coalesce(jsonb_object_agg(v.judgement, v.tables), '{}')
      from (select j.judgement, count(*) as tables from judged j group by j.judgement) v
    ),
    'items', coalesce(jsonb_agg(jsonb_build_object(
      'table', l.name,
      'dropAfter', (l.policy).drop_after::text,
      'verdict', l.judgement,
      'sentence', nightshift.verdict_in_words(
        l.judgement, l.residue, l.is_exact, l.stays, l.rows_per_night, l.purged, coalesce((l.step ->> 'rowsKept')::bigint, 0),
        case
          when l.gone then 'Its table is gone.'
          when l.broken then 'Its policy does not fit the table any more; the health check policies_broken says why.'
          when l.relation is null then to_char((l.policy).created_at, '"No purge has reported on it since its policy was declared, "YYYY-MM-DD HH24:MI" UTC."')
          when l.judgement = 'unknown' and l.is_shortened then 'Its policy keeps less than it did at the last purge.'
          when l.judgement = 'unknown' and l.chooses_others then 'Its policy chooses other rows than it did at the last purge.'
          when l.is_silent then to_char(l.finished_at, '"No purge has been here since "YYYY-MM-DD HH24:MI" UTC."')
          else (l.step #>> '{error,message}') || '.'
        end,
        l.step ->> 'reason'
      ),
      'since', case
        when l.judgement in ('kept', 'off') or l.judgement = 'unknown' and (l.is_shortened or l.chooses_others) then null
        when l.relation is null then (l.policy).created_at
        when l.is_silent and l.verdict <> l.judgement then l.finished_at
        else l.since
      end,
      'residue', l.residue,
      'estimated', l.residue is not null and not l.is_exact,
      'oldestDueAt', case when l.residue > 0 then l.started_at - make_interval(secs => (l.step ->> 'overdueSeconds')::double precision) end,
      'rowsPerNight', l.rows_per_night,
      'nightsLeft', case when l.judgement = 'behind' and l.rows_per_night > 0 then ceil((l.residue - l.stays)::numeric / l.rows_per_night) end,
      'countedAt', l.finished_at,
      'runId', l.run_id,
      'purgedLast', l.purged,
      'held', nightshift.held_rows(l.step),
      'fix', nightshift.fix_of_step(l.step),
      'backlog', case when l.rank <= 50 then coalesce(h.backlog, '[]') else '[]' end
    ) order by l.rank) filter (where l.rank <= 200), '[]')
  )
  from listed l
  left join history h on h.relation = l.relation;
$$;

comment on function nightshift.status_retention is
  'The section retention of the snapshot: for each retention policy whether what it promises is kept, from the reports of the purges; nothing is counted. Worst first, at most 200; counts by verdict.';
