create or replace function nightshift.record_batch(
  run nightshift.runs,
  relation regclass,
  section text,
  step jsonb,
  deleted nightshift.row_set[]
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  steps jsonb := coalesce(run.progress -> section, '{}') || jsonb_build_object(relation::text, step);
  entry record;
  counted jsonb;
begin
  for entry in
    select p.relation, c.policy, c.child, c.n
    from nightshift.count_deleted(deleted) c
    join nightshift.retention_policies p on p.relation::oid = c.policy
  loop
    counted := coalesce(steps -> entry.relation::text, '{}');
    counted := counted || case
      when entry.child is null then jsonb_build_object('rowsPurged', coalesce((counted ->> 'rowsPurged')::bigint, 0) + entry.n)
      else jsonb_build_object('children', nightshift.add_counts(
        coalesce(counted -> 'children', '{}'), jsonb_build_object(entry.child::text, entry.n)))
    end;
    steps := steps || jsonb_build_object(entry.relation::text, counted);
    if section = 'steps' and not run.dry_run and entry.child is null then
      update nightshift.retention_policies p
      set
        last_purged_at = clock_timestamp(),
        last_purged_run = run.id,
        last_purged_rows = (counted ->> 'rowsPurged')::bigint
      where p.relation = entry.relation;
    end if;
  end loop;
  if section = 'steps' and not run.dry_run then
    perform nightshift.record_purge(run.id, (select r.progress -> 'steps' from nightshift.runs r where r.id = run.id), steps);
  end if;
  update nightshift.runs r
  set progress = r.progress || jsonb_build_object(section, steps)
  where r.id = run.id;
  return steps -> relation::text;
end;
$$;

comment on function nightshift.record_batch is
  'Writes what a batch did into a section of the ledger (steps, or assessments) and into the policies, in the transaction of the batch. Returns the step of the table whose turn it is.';
