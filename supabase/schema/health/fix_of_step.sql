create or replace function nightshift.fix_of_step(step jsonb)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    -- What is no SQL is said as a comment, and so is the SQL of the other way, which has a line of its own.
    select case when f.fix ~ '^(select|create|alter|drop|grant|vacuum|set) ' then f.fix else '-- ' || replace(f.fix, ' -- or', E'\n-- or') end
    from (
      select coalesce(fix_of_step.step #>> '{error,hint}', fix_of_step.step #>> '{fixes,0,fix}') as fix
    ) f
    where f.fix is not null
  );
end;
$$;

comment on function nightshift.fix_of_step is
  'What to do first about what a step of a run left, by its report: SQL or a comment; null when the report does not say.';
