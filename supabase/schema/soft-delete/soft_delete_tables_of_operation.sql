create or replace function nightshift.soft_delete_tables_of_operation(operation uuid)
returns setof regclass
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  is_user constant boolean := quote_ident(caller)::regrole in (select nightshift.api_roles());
  candidate record;
  rules nightshift.soft_delete_rules;
  has_rows boolean;
  context text;
begin
  for candidate in
    with recursive depth(relation, level) as (
      select t.relation, 0 from nightshift.soft_delete_tables t
      union
      select s.referencing, d.level + 1
      from depth d join nightshift.soft_delete_cascades s on s.relation = d.relation and s.referencing <> s.relation
      -- A circle of tables has no first one.
      where d.level < 20
    )
    select d.relation from depth d
    join nightshift.soft_delete_tables t on t.relation = d.relation
    -- One that was dropped is no reason to keep the others from coming back.
    join pg_catalog.pg_class c on c.oid = d.relation
    where t.for_users or not is_user
    group by d.relation
    order by max(d.level), d.relation::text
  loop
    rules := nightshift.soft_delete_rules(candidate.relation, false);
    execute format('select exists (select from %s r where %s)', nightshift.scan_of(candidate.relation), rules.of_operation)
    into has_rows using nightshift.operation_time(operation), operation;
    if has_rows then
      return next candidate.relation;
    end if;
  end loop;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.soft_delete_tables_of_operation is
  'The tables with rows that an operation deleted and that are deleted still, those that others refer to first; of those that are for users, when a user asks.';
