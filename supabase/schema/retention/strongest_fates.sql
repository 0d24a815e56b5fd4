create or replace function nightshift.strongest_fates(held nightshift.held_row[], rows nightshift.row_set[])
returns nightshift.held_row[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    select row(h.policy, h.relation, h.tid, h.fate, h.reason)::nightshift.held_row
    from (
      select distinct r.policy, r.relation, r.tid, r.fate, r.reason
      from (
        select h.*, rank() over (
          partition by h.policy, h.relation, h.tid order by array_position(array['held', 'undecided', 'kept'], h.fate)
        ) as precedence
        from unnest(held) h
        where (h.policy, h.relation, h.tid) in (
          select d.policy, d.relation, t.tid from unnest(rows) d cross join lateral unnest(d.tids) t(tid)
        )
      ) r
      where r.precedence = 1
    ) h
  );
end;
$$;

comment on function nightshift.strongest_fates is
  'Of held, those that are among rows, each with its strongest fate (held, undecided, kept, in this order) and the reasons for that.';
