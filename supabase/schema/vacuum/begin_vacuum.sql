-- A vacuum over the direct connection, between an intention and a look at what became of it.
-- Why: it cannot run in a transaction; it says of most of what keeps it from its work no more than a warning, and of the rest nothing.
-- Locks: none of the table.

create or replace function nightshift.begin_vacuum(run_id uuid, fence bigint, table_name text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  relation constant regclass := nightshift.find_relation(table_name);
  state jsonb;
begin
  perform nightshift.require_real_run(run, 'table-vacuum', 'vacuums nothing');
  select nightshift.describe_vacuum_state(s) into state from nightshift.vacuum_states(array[relation::oid]) s;
  if state is null then
    return '{"outcome": "gone"}';
  end if;
  -- Autovacuum may have come first.
  if state ->> 'reason' = 'asked' and not exists (
    select from jsonb_array_elements_text(run.input -> 'only') o where nightshift.find_relation(o) = relation
  ) then
    return '{"outcome": "not_due"}';
  end if;
  if not (state ->> 'mayVacuum')::boolean then
    return jsonb_build_object('outcome', 'denied', 'fix', nightshift.grant_of_refresh(current_user, relation));
  end if;
  update nightshift.runs r
  set progress = jsonb_set(r.progress || jsonb_build_object('steps', coalesce(r.progress -> 'steps', '{}')), array['steps', table_name],
    coalesce(r.progress #> array['steps', table_name], '{}') || jsonb_build_object(
      'begunAt', clock_timestamp(), 'reason', state ->> 'reason', 'detail', state ->> 'detail',
      'deadRowsBefore', (state ->> 'deadRows')::bigint, 'freezeAgeBefore', (state ->> 'freezeAge')::bigint))
  where r.id = run.id;
  return jsonb_build_object('outcome', 'ready', 'statement', nightshift.vacuum_statement(relation));
end;
$$;

comment on function nightshift.begin_vacuum is
  'Prepares to vacuum a table: writes down how it is now, and returns {outcome: ready, statement}, for the direct connection to execute outside of a transaction; finish_vacuum follows. {outcome: denied, fix} when the owner of this function may not vacuum it, {outcome: gone} when it was dropped, {outcome: not_due} when the run was not asked for it by name and it needs none any more. Errors: NS409 lease lost, NS410 cancelled or paused, NS422 dry run or run of another job.';
