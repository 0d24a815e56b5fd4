create or replace function nightshift.stay_released(released nightshift.released_row[], going nightshift.row_set[])
returns nightshift.released_row[]
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if cardinality(released) = 0 then
    return released;
  end if;
  return array(
    select r
    from unnest(released) r
    where (r.relation, r.tid) not in (select g.relation, t.tid from unnest(going) g cross join lateral unnest(g.tids) t(tid))
      and (r.referenced_relation, r.referenced_tid) in (
        select g.relation, t.tid from unnest(going) g cross join lateral unnest(g.tids) t(tid)
      )
  );
end;
$$;

comment on function nightshift.stay_released is
  'Those of released whose row stays and loses its reference, once the rows of going and no others are gone.';
