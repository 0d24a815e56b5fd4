create or replace function nightshift.active_arbiter(
  relation regclass, conflict_columns text, out columns name[], out arbiter text, out same_values text, out own_columns name[]
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  named constant text := nightshift.columns_named(relation, conflict_columns);
  settings nightshift.soft_delete_tables;
begin
  perform nightshift.soft_delete_rules(relation);
  select s.* into settings from nightshift.soft_delete_tables s where s.relation = active_arbiter.relation;
  select u.columns, format('(%s)%s', u.listed, case when i.indpred is not null then ' where ' || pg_get_expr(i.indpred, i.indrelid) end), u.same_values
  into columns, arbiter, same_values
  from pg_catalog.pg_index i
  cross join lateral (
    select array_agg(c.name order by c."position") as columns, string_agg(quote_ident(c.name), ', ' order by c."position") as listed,
      string_agg(format('r.%1$I%2$s %3$s v.%1$I%4$s', c.name, c.cast_left, c.operator, c.cast_right), ' and ' order by c."position") as same_values
    from nightshift.index_columns(i.indexrelid) c
  ) u
  where i.indrelid = relation and i.indisunique and i.indisvalid and i.indimmediate and i.indexprs is null
    and (i.indpred is null or nightshift.is_active_condition(settings, pg_get_expr(i.indpred, i.indrelid)))
    and array(select quote_ident(n) from unnest(u.columns) n order by 1)
      = array(select n from unnest(nightshift.listed_names(named)) n order by 1)
  order by i.indpred is null
  limit 1;
  if not found then
    raise exception using
      errcode = 'NS422',
      message = format('Nothing keeps %s of %s unique among its active rows', named, relation),
      hint = format('select nightshift.enable_soft_delete(%L, unique_among_active => array[%L]);', relation::text, named);
  end if;
  own_columns := array[settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column]
    || case when settings.flag_column is not null then array[settings.flag_column] end;
end;
$$;

comment on function nightshift.active_arbiter is
  'The unique index that decides whether a row with some values is there already: its columns, how ON CONFLICT names it, when a row r has the values of v in them, and the columns that only soft delete writes. One among active rows before one among all. Errors: NS422 there is none, and those of columns_named and soft_delete_rules.';
