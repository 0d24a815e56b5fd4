create or replace function nightshift.unique_conflicts(relation regclass, out index_name regclass, out blocking text, out in_the_way text)
returns setof record
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  asked constant text := format(') as k(%s) join %s r on %s', rules.key_definition, rules.source, rules.key_match);
  settings nightshift.soft_delete_tables;
  predicate text;
  same_values text;
  columns text;
  columns_restored text;
  active text;
  once_back text;
  if_held text;
begin
  select t.* into settings from nightshift.soft_delete_tables t where t.relation = unique_conflicts.relation;
  for index_name, predicate, same_values, columns, columns_restored in
    select i.indexrelid::regclass, pg_get_expr(i.indpred, i.indrelid), v.same_values, n.columns, n.columns_restored
    from pg_catalog.pg_index i
    cross join lateral (
      select string_agg(format('a.%1$I%2$s %3$s r.%1$I%4$s', c.name, c.cast_left, c.operator, c.cast_right), ' and ' order by c."position") as same_values
      from nightshift.index_columns(i.indexrelid) c
    ) v
    -- Those of the index and of its condition, and no more, since a user may read some of the columns only.
    cross join lateral (
      select string_agg(format('r.%I', a.attname), ', ') as columns, string_agg(case
        when a.attname = settings.flag_column then format('false as %I', a.attname)
        when a.attname in (settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column)
          then format('null::%s as %I', nightshift.column_definition_type(settings.relation, a.attname), a.attname)
        else format('r.%I', a.attname) end, ', ') as columns_restored
      from pg_catalog.pg_attribute a
      where a.attrelid = i.indrelid and a.attnum > 0 and (a.attnum = any(i.indkey) or exists (
        select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = i.indexrelid
          and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = i.indrelid and d.refobjsubid = a.attnum
      ))
    ) n
    -- A full one has kept the values of deleted rows from being taken. What an expression yields, only the restore tells.
    where i.indrelid = settings.relation and i.indisunique and i.indpred is not null and i.indexprs is null
    order by i.indexrelid::regclass::text
  loop
    active := concat('select ', columns, ', ', rules.key_object, ' as nightshift_key from ', rules.source,
      ' r where not (', rules.deleted, ') and (', predicate, ')');
    -- Whether the index holds a deleted row is asked of it as it will be once it is back.
    once_back := concat('select * from (select ', columns_restored, ', ', rules.key_object, ' as nightshift_key, row(', rules.key_order,
      ') as nightshift_place from jsonb_to_recordset(');
    if_held := concat(asked, ') r where (', predicate, ')');
    blocking := concat('select jsonb_agg(distinct jsonb_build_object(''key'', r.nightshift_key, ''blocking'', a.nightshift_key)) from (',
      once_back, '$1', if_held, ') r join (', active, ') a on ', same_values);
    in_the_way := concat('with r as (', once_back, '$2', if_held, '), a as (', active, '), pairs(key, blocking) as (',
      'select r.nightshift_key, a.nightshift_key from r join a on ', same_values,
      ' union all select r.nightshift_key, a.nightshift_key from r join r a on ', same_values, ' and a.nightshift_place < r.nightshift_place',
      ') select jsonb_agg(distinct jsonb_build_object(''key'', p.key, ''blocking'', p.blocking)) from pairs p');
    return next;
  end loop;
end;
$$;

comment on function nightshift.unique_conflicts is
  'The unique indexes of a table that hold among some of its rows only, each with a query for what keeps the rows with the keys $1 from coming back: [{key: of such a row, blocking: the key of the active row that has its values}], and in_the_way, for the rows with the keys $2: the same, but a row that comes back before another with its values is in the way of it, too.';
