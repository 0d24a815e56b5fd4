create or replace function nightshift.finish_reindex(run_id uuid, fence bigint, index_name text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.extend_lease(run_id, fence);
  step jsonb := run.progress #> array['indexes', index_name];
  index constant regclass := nightshift.find_relation(index_name);
  is_rebuilt boolean;
begin
  if step is null then
    raise exception using
      errcode = 'NS404',
      message = format('The run has not begun to rebuild %s', index_name),
      hint = 'Call nightshift.begin_reindex first.';
  end if;
  if index is null then
    -- Whoever dropped or renamed it did not know what was being built for it.
    return jsonb_build_object('outcome', 'gone', 'drops', (
      select coalesce(jsonb_agg(format('drop index concurrently %s', c.oid::regclass)), '[]')
      from jsonb_array_elements_text(step -> 'built') b
      join pg_catalog.pg_class c on c.oid = b::oid and c.relname ~ '_cc(new|old)\d*$'
      join pg_catalog.pg_index x on x.indexrelid = c.oid and not x.indisvalid
    ));
  end if;
  -- A rebuilt index is another one under the same name.
  select index::oid <> (step ->> 'oid')::oid and x.indisvalid into is_rebuilt from pg_catalog.pg_index x where x.indexrelid = index;
  -- It broke off before anyone looked. There was none when it began, and nobody is at work on one.
  step := step || jsonb_build_object('built', (step -> 'built') || coalesce((
    select jsonb_agg(l.leftover::oid)
    from nightshift.reindex_leftovers(index) l
    join pg_catalog.pg_index x on x.indexrelid = l.leftover
    where not l.is_ours and not (step ? 'isWatched') and not exists (
      select from pg_catalog.pg_locks k
      where k.locktype = 'relation' and k.relation in (x.indrelid, x.indexrelid) and k.granted and k.mode = 'ShareUpdateExclusiveLock'
        and k.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
    )
  ), '[]'));
  if is_rebuilt then
    step := step || jsonb_build_object(
      'rebuiltMs', coalesce((step ->> 'rebuiltMs')::numeric, round(extract(epoch from clock_timestamp() - (step ->> 'begunAt')::timestamptz) * 1000)),
      'bytesAfter', pg_relation_size(index)
    );
  end if;
  update nightshift.runs r
  set progress = jsonb_set(r.progress, array['indexes', index_name], step)
  where r.id = run.id;
  return jsonb_build_object(
    'outcome', case when is_rebuilt then 'rebuilt' else 'unfinished' end,
    'drops', (
      select coalesce(jsonb_agg(format('drop index concurrently %s', l.leftover)), '[]')
      from nightshift.reindex_leftovers(index) l
      where l.is_ours or l.leftover::oid in (select b::oid from jsonb_array_elements_text(step -> 'built') b)
    )
  ) || step;
end;
$$;

comment on function nightshift.finish_reindex is
  'Looks at what became of the rebuilding of an index since begin_reindex, and writes it down: {outcome: rebuilt, rebuiltMs, bytesBefore, bytesAfter} or {outcome: unfinished, tries: how often this run has tried it}, each with drops: statements that remove what it has left; {outcome: gone, drops}. Errors: NS404, NS409 lease lost.';
