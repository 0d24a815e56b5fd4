create or replace function nightshift.may_go_unseen(run nightshift.runs, leaf regclass, keys nightshift.purge_key[])
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  relations oid[] := array(
    select leaf::oid
    union
    select nightshift.related_tables(k.referencing) from unnest(keys) k where k.role = 'child'
  );
begin
  return not exists (
      -- Postgres itself says at once whether a key holds a row, and nothing else happens then.
      select
      from unnest(keys) k
      join pg_catalog.pg_constraint c on c.oid = k.key
      where k.role = 'release' or not k.indexed or c.condeferrable
        or c.confdeltype not in ('a', 'r') and not (k.role = 'child' and c.confdeltype = 'c')
        -- Before Postgres 18 there is no key that is not enforced.
        or (to_jsonb(c) ->> 'conenforced')::boolean is false
    )
    -- One by one, by the index: a database has many triggers, most of them those of its foreign keys. 8: ON DELETE. Where those
    -- are disabled, as for a load, Postgres does not look who refers to a row.
    and not exists (
      select
      from unnest(relations) r(oid)
      cross join lateral (
        select t.tgtype, t.tgisinternal, t.tgenabled from pg_catalog.pg_trigger t where t.tgrelid = r.oid offset 0
      ) t
      where t.tgtype & 8 = 8 and not (t.tgisinternal and t.tgenabled in ('O', 'A'))
    )
    and current_setting('session_replication_role') <> 'replica'
    and not exists (select from pg_catalog.pg_rewrite w where w.ev_class = any(relations) and w.ev_type = '4')
    and not exists (select from nightshift.purge_decisions d where d.run_id = run.id and d.relation = any(relations))
    and not exists (select from nightshift.purge_counted c where c.run_id = run.id and c.relation = any(relations))
    and not exists (select from nightshift.purge_released r where r.run_id = run.id and r.relation = any(relations));
end;
$$;

comment on function nightshift.may_go_unseen is
  'Whether the due rows of a leaf may be deleted, with their children, without a look at each: no trigger or rule has a part in it, a row that refers to one of them makes the DELETE fail and nothing else, and the run has decided none of them, nor released a reference of theirs. keys: purge_keys of the policy. True until the end of the transaction where the leaf and the tables of children are held (hold_table).';
