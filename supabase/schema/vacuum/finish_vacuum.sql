create or replace function nightshift.finish_vacuum(run_id uuid, fence bigint, table_name text, timed_out boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.extend_lease(run_id, fence);
  step jsonb := run.progress #> array['steps', table_name];
  begun_at constant timestamptz := step ->> 'begunAt';
  relation constant regclass := nightshift.find_relation(table_name);
  state nightshift.vacuum_state;
  analyzed boolean;
  outcome text;
  holder jsonb;
begin
  if begun_at is null then
    raise exception using
      errcode = 'NS404',
      message = format('The run has begun no vacuum of %s', table_name),
      hint = 'Call nightshift.begin_vacuum first.';
  end if;
  select s.* into state from nightshift.vacuum_states(array[relation::oid]) s;
  if state.relation is null then
    return '{"outcome": "gone"}';
  end if;
  analyzed := greatest(pg_stat_get_last_analyze_time(relation), pg_stat_get_last_autoanalyze_time(relation)) >= begun_at;
  outcome := case
    when state.kind = 'p' then case when analyzed then 'vacuumed' else 'unfinished' end
    when coalesce(greatest(pg_stat_get_last_vacuum_time(relation), pg_stat_get_last_autovacuum_time(relation)), '-infinity') < begun_at
      then 'unfinished'
    when not coalesce(analyzed, false) then 'not_analyzed'
    else 'vacuumed'
  end;
  -- What it removes it has removed by now; what is left of it, someone may still see.
  if outcome <> 'unfinished'
    and (state.reason = 'freeze' or state.dead_rows >= 1000 and state.dead_rows * 2 > (step ->> 'deadRowsBefore')::bigint)
  then
    holder := nightshift.xmin_holder(begun_at);
  end if;
  step := step || jsonb_build_object(
    'timeouts', coalesce((step ->> 'timeouts')::integer, 0) + case when timed_out and outcome = 'unfinished' then 1 else 0 end
  );
  if outcome <> 'unfinished' then
    step := step || jsonb_build_object(
      'outcome', case when holder is not null then 'held' else outcome end,
      'vacuumedMs', round(extract(epoch from clock_timestamp() - begun_at) * 1000),
      'deadRowsAfter', state.dead_rows,
      'freezeAgeAfter', state.freeze_age,
      'heldBy', holder
    );
  end if;
  update nightshift.runs r
  set progress = jsonb_set(r.progress, array['steps', table_name], step)
  where r.id = run.id;
  return jsonb_build_object('outcome', 'unfinished', 'autovacuum', exists (
    select from pg_catalog.pg_stat_progress_vacuum v
    join pg_catalog.pg_stat_activity a using (pid)
    where v.relid = relation and a.backend_type = 'autovacuum worker'
  )) || step;
end;
$$;

comment on function nightshift.finish_vacuum is
  'Looks at what became of the vacuum of a table since begin_vacuum, and writes it down: vacuumed, not_analyzed (its statistics are as they were), held (as much as before is due, because of heldBy, see xmin_holder), each with vacuumedMs, deadRowsBefore, deadRowsAfter, freezeAgeBefore and freezeAgeAfter; unfinished, with timeouts (how often time ran out for it in this run: timed_out adds one) and whether autovacuum is at it; or gone. Errors: NS404, NS409 lease lost.';
