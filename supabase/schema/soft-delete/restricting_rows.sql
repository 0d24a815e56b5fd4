create or replace function nightshift.restricting_rows(
  relation regclass, keys jsonb, going jsonb, out referencing regclass, out constraint_name name, out rows bigint
)
returns setof record
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  key record;
  context text;
begin
  perform nightshift.require_call('restricting_rows');
  for key in select r.* from nightshift.restricting_keys(restricting_rows.relation) r loop
    execute key.count_query into rows using keys, coalesce(going -> key.referencing::text, '[]');
    if rows > 0 then
      referencing := key.referencing;
      constraint_name := key.constraint_name;
      return next;
    end if;
  end loop;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.restricting_rows is
  'How many rows, 1,000 at most for each foreign key, hold rows with these keys by ON DELETE RESTRICT: see restricting_keys. going: the keys of rows that go with them, by table. It sees all rows, as the check of a foreign key does: what the caller cannot see holds a row just the same.';
