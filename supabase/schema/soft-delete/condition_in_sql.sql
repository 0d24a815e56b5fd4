create or replace function nightshift.condition_in_sql(relation regclass, condition jsonb)
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  hint constant text := 'Pass [{"column": "status", "operator": "eq", "value": "done"}]: operators are eq, neq, lt, lte, gt, gte, in (with an array), is_null and not_null (without a value), and all must be true.';
  term jsonb;
  position bigint;
  "column" record;
  comparison text;
  wrong text;
  terms text[] := '{}';
begin
  -- Only whoever may delete its rows learns of its columns.
  perform nightshift.soft_delete_rules(relation);
  if condition is null or jsonb_typeof(condition) <> 'array' or condition = '[]' then
    raise exception using
      errcode = 'NS422',
      message = 'condition must be an array of one comparison or more',
      detail = 'An empty one would delete all rows.',
      hint = hint;
  end if;
  for term, position in select t.e, t.n - 1 from jsonb_array_elements(condition) with ordinality t(e, n) loop
    comparison := case when jsonb_typeof(term) = 'object' then term ->> 'operator' end;
    select quote_ident(a.attname) as name, format('%I.%I', n.nspname, t.typname) as type, a.atttypid::regtype as shown_type,
      nightshift.comparison_operator(a.atttypid, case comparison when 'lt' then 1 when 'lte' then 2 when 'gte' then 4 when 'gt' then 5 else 3 end) as operator
    into "column"
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type t on t.oid = a.atttypid
    join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    where a.attrelid = relation and a.attname::text = term ->> 'column' and a.attnum > 0 and not a.attisdropped;
    wrong := case
      when comparison is null or comparison not in ('eq', 'neq', 'lt', 'lte', 'gt', 'gte', 'in', 'is_null', 'not_null') then
        format('%s is no comparison', term)
      when "column".name is null then format('%s has no column %I', relation, coalesce(term ->> 'column', ''))
      when term - array['column', 'operator', 'value'] <> '{}' then format('%s is no comparison', term)
      when comparison in ('is_null', 'not_null') then
        case when term ? 'value' then format('%s takes no value', comparison) end
      when "column".operator is null then format('Values of type %s cannot be compared', "column".shown_type)
      when comparison = 'in' then
        case when coalesce(jsonb_typeof(term -> 'value'), '') <> 'array' or term -> 'value' @> '[null]' then 'in takes an array of values without null' end
      when coalesce(jsonb_typeof(term -> 'value'), 'null') = 'null' then
        format('%s takes a value other than null, for which there are is_null and not_null', comparison)
    end;
    if wrong is not null then
      raise exception using errcode = 'NS422', message = wrong, hint = hint;
    end if;
    terms := terms || case
      when comparison in ('is_null', 'not_null') then
        format('r.%s is %s', "column".name, case comparison when 'is_null' then 'null' else 'not null' end)
      else (
        select format(case comparison when 'neq' then 'not (%s)' else '%s' end,
          case comparison
            when 'in' then format(
              'r.%1$s%2$s %3$s any (array(select v%4$s from jsonb_array_elements_text($1 -> %5$s -> ''value'') v))',
              "column".name, o.cast_left, o.name, value_type, position)
            else format('r.%1$s%2$s %3$s ($1 -> %5$s ->> ''value'')%4$s', "column".name, o.cast_left, o.name, value_type, position)
          end)
        from nightshift.trusted_operator("column".operator) o
        cross join lateral (select coalesce(nullif(o.cast_right, ''), '::' || "column".type)) t(value_type)
      )
    end;
  end loop;
  return array_to_string(terms, ' and ');
end;
$$;

comment on function nightshift.condition_in_sql is
  'The SQL condition for rows r of a table that a condition [{column, operator, value}] says, where $1 is that condition: it holds names of columns and operators, and no value. Errors: NS422 it is empty, or one of its comparisons is none; NS403, NS404 as of soft_delete_rules.';
