create or replace function nightshift.rows_of_operation(
  relation regclass, operation uuid, max_rows integer, after jsonb,
  out keys jsonb, out rows integer, out last_key jsonb
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  context text;
begin
  execute format($query$
    select jsonb_agg(n.key), count(*), (array_agg(n.key order by n.position desc))[1]
    from (
      select %1$s as key, row_number() over (order by %2$s) as position from %3$s r
      where %4$s %5$s
      order by %2$s limit $3
    ) n
  $query$, rules.key_object, rules.key_order, rules.source, rules.of_operation,
    case when after is null then '' else format('and (%s) > (select %s from jsonb_to_recordset(jsonb_build_array($4)) as r(%s))',
      rules.key_order, rules.key_order, rules.key_definition) end)
  into keys, rows, last_key using nightshift.operation_time(operation), operation, max_rows, after;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.rows_of_operation is
  'The keys of the next rows of a table that an operation deleted and that are deleted still, in the order of the key, after one of them or from the first on. Errors: see soft_delete_rules.';
