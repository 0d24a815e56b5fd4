create or replace function nightshift.may_go_unseen(run nightshift.runs, policy nightshift.retention_policies, leaf regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return not exists (
      -- Postgres itself says at once whether a key holds a row, and nothing else happens then.
      select
      from nightshift.purge_keys(array[policy.relation::oid]) k
      join pg_catalog.pg_constraint c on c.oid = k.key
      where k.role not in ('hold', 'keep') or not k.indexed or c.confdeltype not in ('a', 'r') or c.condeferrable
        -- Before Postgres 18 there is no key that is not enforced.
        or (to_jsonb(c) ->> 'conenforced')::boolean is false
    )
    -- One by one, by the index: a database has many triggers, most of them those of its foreign keys. 8: ON DELETE. Where those
    -- are disabled, as for a load, Postgres does not look who refers to a row.
    and not exists (
      select
      from (select t.tgtype, t.tgisinternal, t.tgenabled from pg_catalog.pg_trigger t where t.tgrelid = leaf offset 0) t
      where t.tgtype & 8 = 8 and not (t.tgisinternal and t.tgenabled in ('O', 'A'))
    )
    and current_setting('session_replication_role') <> 'replica'
    and not exists (select from pg_catalog.pg_rewrite w where w.ev_class = leaf and w.ev_type = '4')
    and not exists (select from nightshift.purge_decisions d where d.run_id = run.id and d.relation = leaf::oid)
    and not exists (select from nightshift.purge_counted c where c.run_id = run.id and c.relation = leaf::oid)
    and not exists (select from nightshift.purge_released r where r.run_id = run.id and r.relation = leaf::oid);
end;
$$;

comment on function nightshift.may_go_unseen is
  'Whether the due rows of a leaf may be deleted without a look at each: no trigger or rule has a part in it, a row that refers to one of them makes the DELETE fail and nothing else, and the run has decided none of them, nor released a reference of theirs. True until the end of the transaction where the leaf is held (hold_table).';
