create or replace function nightshift.record_batch(run nightshift.runs, relation regclass, step jsonb, purged jsonb)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  steps jsonb := run.progress -> 'steps' || jsonb_build_object(relation::text, step);
  entry record;
begin
  for entry in select p.key as relation, p.value::bigint as n from jsonb_each_text(purged) p where p.value <> '0' loop
    steps := steps || jsonb_build_object(
      entry.relation,
      coalesce(steps -> entry.relation, '{}')
        || jsonb_build_object('rowsPurged', coalesce((steps #>> array[entry.relation, 'rowsPurged'])::bigint, 0) + entry.n)
    );
    if not run.dry_run then
      update nightshift.retention_policies p
      set
        last_purged_at = clock_timestamp(),
        last_purged_run = run.id,
        last_purged_rows = (steps #>> array[entry.relation, 'rowsPurged'])::bigint
      where p.relation = nightshift.find_relation(entry.relation);
    end if;
  end loop;
  update nightshift.runs r
  set progress = r.progress || jsonb_build_object('steps', steps)
  where r.id = run.id;
  return jsonb_build_object('rowsByRelation', purged, 'step', steps -> relation::text);
end;
$$;

comment on function nightshift.record_batch is
  'Writes what a batch did into the ledger and the policies, in the transaction of the batch.';
