create or replace function nightshift.add_released(steps jsonb, relation text, counts jsonb)
returns jsonb
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return jsonb_set(steps, array[relation, 'released'], (
    select coalesce(jsonb_object_agg(e.key, e.value) filter (where e.value <> '0'), '{}')
    from jsonb_each(nightshift.add_counts(steps #> array[relation, 'released'], counts)) e
  ));
end;
$$;

comment on function nightshift.add_released is 'Adds to the references that steps of a run count as released in one of them.';
