create or replace function nightshift.forced_names(run nightshift.runs)
returns text[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case jsonb_typeof(run.input -> 'force')
    when 'array' then array(select jsonb_array_elements_text(run.input -> 'force'))
    else '{}'
  end;
end;
$$;

comment on function nightshift.forced_names is 'The tables that the input of a run names in force.';
