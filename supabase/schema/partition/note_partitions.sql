create or replace function nightshift.note_partitions(run_id uuid, table_name text, kind text, entries jsonb)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  update nightshift.runs r
  set progress = r.progress || jsonb_build_object('steps',
    coalesce(r.progress -> 'steps', '{}') || jsonb_build_object(note_partitions.table_name,
      coalesce(r.progress #> array['steps', note_partitions.table_name], '{}') || jsonb_build_object(note_partitions.kind,
        coalesce(r.progress #> array['steps', note_partitions.table_name, note_partitions.kind], '[]') || note_partitions.entries)))
  where r.id = note_partitions.run_id and note_partitions.entries <> '[]';
$$;

comment on function nightshift.note_partitions is
  'Writes what was done to a table (kind: created, retired, dropped) into the ledger, in the transaction that does it: it is true whatever becomes of the answer.';
