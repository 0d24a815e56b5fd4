create or replace function nightshift.left_alone(
  row_alias text,
  relation regclass,
  as_of timestamptz,
  out partitions oid[],
  out otherwise text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  alone record;
begin
  partitions := '{}';
  otherwise := '';
  for alone in
    select t.*, t.parent = relation or t.parent in (select a.relid from pg_catalog.pg_partition_ancestors(relation) a(relid)) as is_around
    from nightshift.partitions_to_retire(relation, as_of) t
  loop
    partitions := partitions || alone.partition;
    if alone.is_around then
      otherwise := otherwise || format(' and (%s) is not true', concat_ws(' and ',
        case when alone.from_bound <> 'MINVALUE' then format('%s.%I >= %s', row_alias, alone.key_column, alone.from_bound) end,
        format('%s.%I < %s', row_alias, alone.key_column, alone.to_bound)));
    end if;
  end loop;
end;
$$;

comment on function nightshift.left_alone is
  'What a purge leaves to a partition policy: the partitions of a table, or around it (see partitions_to_retire), and what due_condition adds to due_by_marker for a row to be in none of them (otherwise; empty where there is none).';
