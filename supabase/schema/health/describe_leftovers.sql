create or replace function nightshift.describe_leftovers(report jsonb)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('%s: %s', s.subject, s.why), '; ' order by s.place) filter (where s.place <= 3)
    || case when count(*) > 3 then format('; and %s more', count(*) - 3) else '' end
  from (
    select
      row_number() over (order by e.place) as place,
      coalesce(e.step ->> 'relation', e.step ->> 'view', e.step ->> 'table', 'a step') as subject,
      coalesce(
        e.step #>> '{error,message}',
        case
          when e.step ? 'relation' then (e.step ->> 'reason') || coalesce(' by ' || nightshift.describe_needs(e.step), '')
          when e.step ? 'view' then e.step ->> 'detail'
          when e.step ? 'table' then nullif(concat_ws(', ',
            case when e.step ->> 'missing' <> '0' then format('%s intervals without a partition', e.step ->> 'missing') end,
            case when e.step -> 'blocked' <> '[]' then format('%s not retired (%s)',
              jsonb_array_length(e.step -> 'blocked'), e.step #>> '{blocked,0,reason}') end,
            case when e.step #>> '{defaultPartition,rows}' <> '0' then format('%s rows in the default partition',
              nightshift.figure((e.step #>> '{defaultPartition,rows}')::numeric)) end
          ), '')
        end,
        e.step ->> 'status'
      ) as why
    from jsonb_path_query(
      describe_leftovers.report,
      '$.steps[*] ? (!(@.status == "succeeded" || @.status == "refreshed" || @.status == "skipped"))'
    ) with ordinality e(step, place)
  ) s;
$$;

comment on function nightshift.describe_leftovers is
  'What a run left undone, by its report, in words: the first three tables or views, each with the reason; null when the report does not say.';
