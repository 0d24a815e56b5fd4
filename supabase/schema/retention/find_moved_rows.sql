create or replace function nightshift.find_moved_rows(rows nightshift.row_set[])
returns nightshift.moved_row[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if cardinality(rows) = 0 then
    return '{}';
  end if;
  return (
    select coalesce(array_agg(row(m.relation, m.old_tid, m.new_tid)::nightshift.moved_row), '{}')
    from (
      select distinct r.relation, t.old_tid, t.new_tid
      from (select r.*, nightshift.follow_rows(array[r]) as now_at from unnest(find_moved_rows.rows) r) r
      cross join lateral unnest(r.tids, (r.now_at[1]).tids) t(old_tid, new_tid)
    ) m
    where m.old_tid <> m.new_tid
  );
end;
$$;

comment on function nightshift.find_moved_rows is
  'Those of rows, locked by this transaction, that it has changed since, with where they were and are. One that went to another partition is not found.';
