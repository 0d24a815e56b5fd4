create or replace function nightshift.known_decisions(run_id uuid, policy oid, leaf oid, tids tid[])
returns nightshift.held_row[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
  return (
    select coalesce(array_agg(row(known_decisions.policy, d.relation, d.tid, d.fate, r.reason)::nightshift.held_row), '{}')
    from nightshift.purge_decisions d
    left join lateral string_to_table(d.reason, E'\n') r(reason) on true
    where d.run_id = known_decisions.run_id and d.relation = leaf and d.tid = any(tids)
  );
end;
$$;

comment on function nightshift.known_decisions is 'What a run has decided of rows of a leaf, once for each reason.';
