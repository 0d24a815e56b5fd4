create or replace function nightshift.note_assessment(run nightshift.runs, relation regclass, step jsonb, finished boolean)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  refusal constant text := nightshift.brake(run, relation, nightshift.gone_of(relation, step));
begin
  if refusal is not null then
    update nightshift.runs r
    set progress = r.progress || jsonb_build_object(
      'refusals', coalesce(r.progress -> 'refusals', '{}') || jsonb_build_object(relation::text, refusal)
    )
    where r.id = run.id;
  end if;
  if refusal is not null or finished then
    delete from nightshift.purge_decisions d where d.run_id = run.id and d.fate = 'assessed';
    delete from nightshift.purge_pending p where p.run_id = run.id and p.turn = note_assessment.relation::oid;
  end if;
  return refusal;
end;
$$;

comment on function nightshift.note_assessment is
  'What the brake says of an assessment so far, which is noted in the ledger; null when as much may go. Forgets what the assessment knew of rows when it is over.';
