create or replace function nightshift.follow_released(
  run_id uuid,
  scope oid[],
  inout released nightshift.released_row[],
  out moved nightshift.moved_row[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = on
set enable_nestloop = off
as $$
begin
  moved := nightshift.find_moved_rows(array(
    select row(null, r.relation, false, array_agg(distinct r.tid))::nightshift.row_set
    from unnest(released) r
    group by r.relation
    -- Of other tables a run knows no rows.
    having exists (
      select from nightshift.policy_members(scope) m where r.relation in (select nightshift.related_tables(m.member))
    )
  ));
  if cardinality(moved) > 0 then
    perform nightshift.follow_moved_rows(run_id, moved);
    released := array(
      select row(r.key, r.relation, coalesce(m.new_tid, r.tid), r.referenced_relation, r.referenced_tid)::nightshift.released_row
      from unnest(released) r
      left join unnest(moved) m on m.relation = r.relation and m.old_tid = r.tid
    );
  end if;
end;
$$;

comment on function nightshift.follow_released is
  'Follows rows to where they are since their reference was set to null or default, if the run can meet them again.';
