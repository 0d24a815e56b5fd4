create or replace function nightshift.status_headline(sections jsonb)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  with trouble as (
    select case f.value ->> 'level' when 'critical' then 2 else 1 end as rank, concat_ws(': ', f.value ->> 'title', f.value ->> 'subject') as text,
      f.value ->> 'levelSince' as since, f.ordinality as place
    from jsonb_array_elements(sections #> '{health,items}') with ordinality f
    where f.value ->> 'level' in ('critical', 'warning', 'unknown')
    union all
    select 1, format('Retention of %s: %s', p.value ->> 'table', p.value ->> 'sentence'), p.value ->> 'since', 1000 + p.ordinality
    from jsonb_array_elements(sections #> '{retention,items}') with ordinality p
    where p.value ->> 'verdict' = 'stalled'
    union all
    select 1, format('The status of %s could not be read', s.key), null, 2000
    from jsonb_each(sections) s
    where s.value ->> 'problem' is not null
  ),
  worst as (
    select t.*, count(*) over (partition by t.rank) as of_rank from trouble t order by t.rank desc, t.place limit 1
  )
  select coalesce((
    select jsonb_build_object(
      'level', case w.rank when 2 then 'critical' else 'warning' end,
      'text', w.text || case when w.of_rank > 1 then format(', and %s more', w.of_rank - 1) else '' end,
      'since', (select min(t.since::timestamptz) from trouble t where t.rank = w.rank)
    )
    from worst w
  ), '{"level": "ok", "text": "Everything is all right.", "since": null}');
$$;

comment on function nightshift.status_headline is
  'The worst that the sections of the snapshot have, in a line, and since when something has been that bad: {level: ok, warning or critical, text, since}.';
