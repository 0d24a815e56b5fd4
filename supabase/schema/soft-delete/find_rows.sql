-- It asks for the pieces of SQL itself: users execute this, and whoever could pass them would execute what they like, with the
-- rights of the role that the API logs in as.

create or replace function nightshift.find_rows(
  relation regclass, keys jsonb, row_lock text,
  out asked integer, out active jsonb, out deleted jsonb
)
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  context text;
begin
  -- In the order of the keys, so that two calls wait for each other and are never in a deadlock.
  execute format($query$
    with asked as (select distinct * from jsonb_to_recordset($1) as k(%1$s)),
    seen as materialized (
      select %2$s as key, %3$s as is_deleted from asked k join %4$s r on %5$s order by %6$s %7$s
    )
    select (select count(*) from asked),
      coalesce(jsonb_agg(key) filter (where not is_deleted), '[]'), coalesce(jsonb_agg(key) filter (where is_deleted), '[]')
    from seen
  $query$, rules.key_definition, rules.key_object, rules.deleted, rules.source, rules.key_match, rules.key_order,
    case row_lock
      when 'update' then 'for update of r' when 'no key update' then 'for no key update of r'
      when 'no key update skip locked' then 'for no key update of r skip locked'
      when 'no key update nowait' then 'for no key update of r nowait' else 'for key share of r' end)
  into asked, active, deleted using keys;
exception
  when data_exception or check_violation then
    raise exception using
      errcode = 'NS422',
      message = format('One of the keys is not a value of the primary key of %s (%s)', rules.relation, rules.key_definition),
      hint = 'Pass values of that type. Nothing was changed.';
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.find_rows is
  'The rows with these keys that the caller may change: how many different keys were asked for, and those of active and of deleted rows, locked (row_lock: update; no key update, also with skip locked or nowait, for which nobody waits who adds a row that refers to it; or key share, for which only who deletes a row for good waits). Errors: NS422 a key is no value of its type, and those of soft_delete_rules.';
