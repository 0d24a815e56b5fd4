create or replace function nightshift.join_condition(key oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select c.condition from nightshift.join_conditions(array[join_condition.key]) c);
end;
$$;

comment on function nightshift.join_condition is 'What join_conditions says of one foreign key. Errors: NS422 (see trusted_operator).';
