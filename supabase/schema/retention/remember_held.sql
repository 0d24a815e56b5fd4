create or replace function nightshift.remember_held(run_id uuid, held nightshift.held_row[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into nightshift.purge_decisions (run_id, relation, tid, fate, reason)
  select remember_held.run_id, h.relation, h.tid, h.fate, string_agg(h.reason, E'\n' order by h.reason)
  from unnest(held) h
  group by h.relation, h.tid, h.fate
  on conflict do nothing;
end;
$$;

comment on function nightshift.remember_held is
  'Writes rows that stay into nightshift.purge_decisions, each once, with all that keeps it.';
