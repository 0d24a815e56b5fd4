-- Deleting by a condition, which is data and never SQL, so that an application can pass on what its users chose.
-- Rights: those of the caller, row level security included.
-- Locks: those of soft_delete. A row is locked as it is found, so what no longer meets the condition by then stays.

create or replace function nightshift.soft_delete_where(
  relation regclass,
  condition jsonb,
  deleted_by text default null,
  reason text default null,
  operation uuid default null,
  max_rows integer default 10000,
  dry_run boolean default false
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  only_if constant text := nightshift.condition_in_sql(relation, condition);
  most_rows constant integer := least(greatest(coalesce(max_rows, 10000), 1), 10000);
  keys jsonb;
  more boolean;
  plan jsonb;
  answer jsonb;
  context text;
begin
  begin
    -- One row more than are deleted says whether there are more.
    execute format($query$
      select coalesce(jsonb_agg(f.key) filter (where f.position <= $2), '[]'), count(*) > $2
      from (
        select n.key, row_number() over () as position
        from (select %s as key from %s r where not (%s) and %s order by %s limit $2 + 1 %s) n
      ) f
    $query$, rules.key_object, rules.source, rules.deleted, only_if, rules.key_order, case when dry_run then '' else 'for update of r' end)
    into keys, more using condition, most_rows;
  exception
    when data_exception or check_violation then
      raise exception using
        errcode = 'NS422',
        message = 'One of the values of condition is not of the type of its column',
        detail = format('The condition is %s', only_if),
        hint = 'Nothing was deleted.';
  end;
  if dry_run then
    plan := nightshift.plan_delete(relation, keys);
    return jsonb_build_object(
      'wouldDelete', jsonb_array_length(keys) - (plan ->> 'notFound')::integer,
      'byTable', (
        select coalesce(jsonb_object_agg(t.relation, t.rows), '{}')
        from (select e ->> 'relation', sum((e ->> 'rows')::bigint) from jsonb_array_elements(plan -> 'tables') e group by 1) t(relation, rows)
      ),
      'restricted', plan -> 'restricted',
      'more', more
    );
  end if;
  answer := nightshift.soft_delete(relation, keys, deleted_by, reason, operation);
  return answer || jsonb_build_object('more', more);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.soft_delete_where is
  'Deletes the rows that meet a condition, as soft_delete does: condition is an array of {column, operator, value}, all of which must be true, with the operators eq, neq, lt, lte, gt, gte, in, is_null and not_null, as in [{"column": "status", "operator": "in", "value": ["done", "failed"]}]. As everywhere in SQL, only is_null and not_null are true of null. max_rows: 10,000 by default and at most, in the order of their keys. Returns what soft_delete returns, and more: whether others meet it still; call again with the operation that was returned until there are none. No row is no error. dry_run: returns {wouldDelete, byTable: {table: rows}, restricted: as plan_delete, more}, with nothing deleted. The rights are those of the caller. Errors, nothing deleted: NS422 no condition, or none that fits the columns; and those of soft_delete.';
