create or replace function nightshift.unique_conflicts(relation regclass, out index_name regclass, out blocking text)
returns setof record
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  predicate text;
  condition text;
  columns text;
begin
  for index_name, predicate, condition, columns in
    select i.indexrelid::regclass, pg_get_expr(i.indpred, i.indrelid), u.same_values, u.columns
    from pg_catalog.pg_index i
    cross join lateral (
      select string_agg(format('a.%1$I%2$s %3$s r.%1$I%4$s', c.name, c.cast_left, c.operator, c.cast_right), ' and ' order by c."position") as same_values,
        string_agg(format('r.%I', c.name), ', ' order by c."position") as columns
      from nightshift.index_columns(i.indexrelid) c
    ) u
    -- A full one has kept the values of deleted rows from being taken. What an expression yields, only the restore tells.
    where i.indrelid = unique_conflicts.relation and i.indisunique and i.indpred is not null and i.indexprs is null
    order by i.indexrelid::regclass::text
  loop
    -- No more columns than it needs, since a user may read some of them only.
    blocking := format(
      'select jsonb_agg(distinct jsonb_build_object(''key'', r.nightshift_key, ''blocking'', a.nightshift_key)) '
      || 'from (select %s, %s as nightshift_key from jsonb_to_recordset($1) as k(%s) join %s r on %s) r '
      || 'join (select %s, %s as nightshift_key from %s r where not (%s) and (%s)) a on %s',
      columns, rules.key_object, rules.key_definition, rules.source, rules.key_match,
      columns, rules.key_object, rules.source, rules.deleted, predicate, condition);
    return next;
  end loop;
end;
$$;

comment on function nightshift.unique_conflicts is
  'The unique indexes of a table that hold among some of its rows only, each with a query for what keeps the rows with the keys $1 from coming back: [{key: of such a row, blocking: the key of the active row that has its values}].';
