create or replace function nightshift.require_marker_index(policy nightshift.retention_policies)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  marker constant text := nightshift.indexed_as(policy.relation, policy.marker_column);
  tables oid[] := array(select t.relid from pg_catalog.pg_partition_tree(policy.relation) t) || policy.relation::oid;
begin
  if exists (
    select 1
    from pg_catalog.pg_class c
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = policy.marker_column
    where c.oid = any(tables) and c.relpages > 1000 and c.relkind = 'r'
      and not exists (
        select 1
        from pg_catalog.pg_index i
        cross join lateral pg_get_indexdef(i.indexrelid, 1, false) x("column")
        where i.indrelid = c.oid and i.indisvalid
          and (i.indkey[0] = a.attnum or marker in (x."column", format('(%s)', x."column")))
          -- Partial, it serves where it is so by the marker or the flag.
          and (
            i.indpred is null
            or strpos(pg_get_expr(i.indpred, c.oid), trim(marker, '()')) > 0
            or strpos(pg_get_expr(i.indpred, c.oid), trim(nightshift.indexed_as(policy.relation, policy.flag_column), '()')) > 0
          )
      )
  ) then
    raise exception using
      errcode = 'NS422',
      message = format('No index serves %I of %s, and without one it would have to be read as a whole',
        policy.marker_column, policy.relation),
      hint = format('create index on %s (%s);', policy.relation, marker);
  end if;
end;
$$;

comment on function nightshift.require_marker_index is
  'Raises NS422 where a look for rows by their marker would read a table, or a partition, of more than 1,000 pages as a whole.';
