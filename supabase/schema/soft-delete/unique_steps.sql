create or replace function nightshift.unique_steps(settings nightshift.soft_delete_tables, unique_among_active text[])
returns setof nightshift.ddl_step
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  relation constant regclass := settings.relation;
  source constant text := nightshift.trusted_name(settings.relation);
  large constant boolean := nightshift.is_large(settings.relation);
  -- See soft_delete_steps.
  online constant boolean := large and (select c.relkind <> 'p' from pg_catalog.pg_class c where c.oid = settings.relation);
  active constant text := case when settings.flag_column is null then format('%I is null', settings.marker_column)
    else format('%I is not true', settings.flag_column) end;
  step nightshift.ddl_step;
  columns text;
  index record;
  other_index regclass;
  other_condition text;
  full_index regclass;
  full_constraint name;
  is_needed boolean;
  is_primary boolean;
  has_partial boolean;
begin
  foreach columns in array coalesce(unique_among_active, '{}') loop
    columns := nightshift.columns_named(relation, columns);
    has_partial := false;
    full_index := null;
    full_constraint := null;
    is_needed := false;
    other_index := null;
    for index in
      select i.indexrelid::regclass as name, i.indisprimary, c.conname, pg_get_expr(i.indpred, i.indrelid) as predicate, exists (
        select from pg_catalog.pg_constraint f where f.contype = 'f' and f.conindid = i.indexrelid
      ) as referenced
      from pg_catalog.pg_index i
      left join pg_catalog.pg_constraint c on c.conindid = i.indexrelid and c.contype in ('u', 'p')
      where i.indrelid = relation and i.indisunique and i.indexprs is null and i.indisvalid
        and array(select c from unnest(nightshift.listed_names(columns)) c order by 1)
          = array(select quote_ident(c.name) from nightshift.index_columns(i.indexrelid) c order by 1)
    loop
      if index.predicate is null then
        full_index := index.name;
        full_constraint := index.conname;
        is_needed := index.indisprimary or index.referenced;
        is_primary := index.indisprimary;
      elsif nightshift.is_active_condition(settings, index.predicate) then
        has_partial := true;
      else
        other_index := index.name;
        other_condition := index.predicate;
      end if;
    end loop;
    if is_needed then
      raise exception using
        errcode = 'NS422',
        message = format('%s of %s cannot be unique among active rows only', columns, relation),
        hint = case when is_primary then 'It is the primary key, which names deleted rows, too.'
          else format('A foreign key refers to it by %s, and needs it unique among all rows.', full_index) end;
    end if;
    if not has_partial and other_index is not null then
      raise exception using
        errcode = 'NS422',
        message = format('%s of %s is unique already among the rows with %s, by %s', columns, relation, other_condition, other_index),
        hint = case when strpos(other_condition, quote_ident(coalesce(settings.flag_column, settings.marker_column))) > 0
          then format('Leave it out of unique_among_active where that is enough. Where all active rows are to be unique, first: drop index %s;', other_index)
          else format('Where that is enough, leave it out of unique_among_active, and then: create unique index on %s%s and %s; drop index %s; Where all active rows are to be unique, first: drop index %s;',
            source, substring(pg_get_indexdef(other_index) from ' USING btree( .*)'), active, other_index, other_index) end;
    end if;
    if not has_partial then
      step.outside_transaction := large;
      step.lock := case when online then 'none that readers or writers wait for' else 'SHARE: writers wait until it is built' end;
      step.statement := format('create unique index %son %s%s where %s;', case when online then 'concurrently ' else '' end, source,
        -- As the one that it takes the place of: collations, nulls that are not distinct, and what it includes.
        coalesce(substring(pg_get_indexdef(full_index) from ' USING btree( .*)'), format(' (%s)', columns)),
        active);
      step.why := format('%s can be used again once its row is deleted.', columns);
      return next step;
    end if;
    if full_index is not null then
      step.outside_transaction := false;
      step.lock := 'ACCESS EXCLUSIVE for a moment, once it has it';
      step.statement := case when full_constraint is not null then format('alter table %s drop constraint %I;', source, full_constraint)
        else format('drop index %s;', full_index) end;
      step.why := 'It holds among deleted rows, too; the one before takes its place.';
      return next step;
    end if;
  end loop;
end;
$$;

comment on function nightshift.unique_steps is
  'The statements, in order, that make columns of a table unique among the rows that are not deleted, and no longer among all. Errors: NS422 they are the primary key, referred to, or unique already among other rows.';
