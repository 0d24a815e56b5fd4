create or replace function nightshift.held_rows(step jsonb)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(jsonb_build_object('why', h.why, 'by', h.by, 'rows', h.rows) order by h.rows desc, h.why, h.by), '[]')
  from (
    select k.why, k.by, k.rows
    from (
      select 'needed' as why, b.key as by, b.value::bigint as rows from jsonb_each_text(held_rows.step -> 'blockedBy') b
      union all
      select 'kept', b.key, b.value::bigint from jsonb_each_text(held_rows.step -> 'keptBy') b
      union all
      select 'refused', b.key, b.value::bigint from jsonb_each_text(held_rows.step -> 'refusedBy') b
      union all
      select 'undecided', null, (held_rows.step ->> 'rowsUndecided')::bigint
    ) k
    where k.rows > 0
    order by k.rows desc, k.why, k.by
    limit 10
  ) h;
$$;

comment on function nightshift.held_rows is
  'What keeps due rows of a table, by a step of the report of a purge, as JSON: why (needed by rows that stay, kept as the policy says, refused by a trigger or constraint, undecided), by (foreign key, trigger or constraint), rows; the 10 with most rows.';
