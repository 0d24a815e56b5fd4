create or replace function nightshift.fix_of_leftovers(report jsonb)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(f.fix, E'\n' order by f.place)
  from (
    select nightshift.fix_of_step(e.step) as fix, min(e.place) as place
    from jsonb_path_query(
      fix_of_leftovers.report,
      '$.steps[*] ? (!(@.status == "succeeded" || @.status == "refreshed" || @.status == "skipped"))'
    ) with ordinality e(step, place)
    group by 1
    order by place
    limit 3
  ) f;
$$;

comment on function nightshift.fix_of_leftovers is
  'What to do about what a run left undone, by its report: the first fix of each step, three at most, one a line; null when the report does not say.';
