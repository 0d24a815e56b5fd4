-- It asks for the pieces of SQL itself: users execute this, and whoever could pass them would execute what they like, with the
-- rights of the role that the API logs in as.

create or replace function nightshift.find_rows(
  relation regclass, keys jsonb, row_lock text, as_given boolean default false,
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
    -- Under the name of the marker, which no column of a primary key has, since it can be null.
    with seen as materialized (select %2$s, %3$s as %4$s from %5$s r where %6$s order by %2$s %7$s),
    counted as (
      select count(*) filter (where not r.%4$s) as active, count(*) filter (where r.%4$s) as deleted, jsonb_array_length($1) as given from seen r
    )
    select case when c.active + c.deleted = c.given then c.given
        else (select count(*) from (select distinct * from jsonb_to_recordset($1) as k(%1$s)) k) end,
      case when $2 and c.active = c.given then $1
        else to_jsonb(array(select %8$s from seen r where not r.%4$s)) end,
      case when $2 and c.deleted = c.given then $1
        else to_jsonb(array(select %8$s from seen r where r.%4$s)) end
    from counted c
  $query$, rules.key_definition, rules.key_order, rules.deleted, substr(rules.marker, 3), rules.source, rules.is_asked,
    case row_lock
      when 'update' then 'for update of r' when 'no key update' then 'for no key update of r'
      when 'no key update skip locked' then 'for no key update of r skip locked'
      when 'no key update nowait' then 'for no key update of r nowait' when 'key share' then 'for key share of r' else '' end,
    rules.key_object)
  into asked, active, deleted using keys, as_given;
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
  'The rows with these keys that the caller may change: how many different keys were asked for, and those of active and of deleted rows, locked (row_lock: update; no key update, also with skip locked or nowait, for which nobody waits who adds a row that refers to it; key share, for which only who deletes a row for good waits; or none, and then those that the caller may see). as_given: where all of them are active, or all deleted, their keys may be those that were passed, whatever they look like, which is faster. Errors: NS422 a key is no value of its type, and those of soft_delete_rules.';
