create or replace function nightshift.note_partitions(run_id uuid, kind text, entries jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  update nightshift.runs r
  set progress = r.progress || jsonb_build_object('steps', coalesce(r.progress -> 'steps', '{}') || (
    select jsonb_object_agg(e.table_name,
      coalesce(r.progress #> array['steps', e.table_name], '{}') || jsonb_build_object(note_partitions.kind,
        coalesce(r.progress #> array['steps', e.table_name, note_partitions.kind], '[]') || e.partitions))
    from jsonb_each(note_partitions.entries) e(table_name, partitions)
  ))
  where r.id = note_partitions.run_id and note_partitions.entries <> '{}';
end;
$$;

comment on function nightshift.note_partitions is
  'Writes what was done to tables (entries: {table: [partition]}; kind: created, retired, dropped) into the ledger, in the transaction that does it: it is true whatever becomes of the answer.';
