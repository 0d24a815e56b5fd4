-- REINDEX CONCURRENTLY over the direct connection, between an intention and a look at what became of it.
-- Why: it cannot run in a transaction, and what breaks off halfway leaves an invalid index behind. What is written down here
--      tells ours from those of others.
-- Locks: none of the table.

create or replace function nightshift.begin_reindex(run_id uuid, fence bigint, index_name text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  index constant regclass := nightshift.find_relation(index_name);
  facts constant jsonb := nightshift.describe_index(index);
  heap oid;
  step jsonb := coalesce(run.progress #> array['indexes', index_name], '{}');
  holder jsonb;
  strange regclass;
  locking record;
begin
  perform nightshift.require_real_run(run, 'table-vacuum', 'rebuilds nothing');
  if facts is null then
    return '{"outcome": "gone"}';
  end if;
  if facts -> 'problem' <> 'null' then
    return '{"outcome": "blocked"}' || (facts -> 'problem');
  end if;
  select x.indrelid into heap from pg_catalog.pg_index x where x.indexrelid = index;

  select a.pid, a.usename as role, nullif(a.application_name, '') as application into locking
  from pg_catalog.pg_locks l
  join pg_catalog.pg_stat_activity a using (pid)
  where l.locktype = 'relation' and l.relation in (heap, index) and l.granted and a.pid <> pg_backend_pid()
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
    and l.mode in ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  limit 1;
  if found then
    return jsonb_build_object(
      'outcome', 'blocked', 'reason', 'locked',
      'detail', format('pid %s (%s as %s) has the table locked, or rebuilds an index of it',
        locking.pid, coalesce(locking.application, 'no application name'), locking.role),
      'fix', 'Repeat it when that is over.');
  end if;
  -- It would wait for it, with a half-built index that is written with every row.
  holder := nightshift.old_transaction(clock_timestamp() - interval '1 minute', heap);
  if holder is not null then
    return jsonb_build_object(
      'outcome', 'blocked', 'reason', 'held',
      'detail', format('it would wait for a transaction that has lasted since %s: %s',
        to_char((holder ->> 'since')::timestamptz at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), holder ->> 'holder'),
      'fix', holder ->> 'fix');
  end if;
  select l.leftover into strange from nightshift.reindex_leftovers(index) l where not l.is_ours limit 1;
  if found then
    return jsonb_build_object(
      'outcome', 'blocked', 'reason', 'leftover',
      'detail', format('%s is left of a REINDEX CONCURRENTLY that was not ours', strange),
      'fix', format('drop index concurrently %s;', strange));
  end if;

  step := (step - 'isWatched') || jsonb_build_object(
    'oid', index::oid, 'tries', coalesce((step ->> 'tries')::integer, 0) + 1, 'begunAt', clock_timestamp(),
    'bytesBefore', (facts ->> 'sizeBytes')::bigint, 'built', coalesce(step -> 'built', '[]')
  );
  update nightshift.runs r
  set progress = jsonb_set(
    r.progress || jsonb_build_object('indexes', coalesce(r.progress -> 'indexes', '{}')), array['indexes', index_name], step)
  where r.id = run.id;
  return jsonb_build_object(
    'outcome', 'ready',
    'statement', nightshift.reindex_statement(index),
    'drops', (
      select coalesce(jsonb_agg(format('drop index concurrently %s', l.leftover)), '[]') from nightshift.reindex_leftovers(index) l
    )
  );
end;
$$;

comment on function nightshift.begin_reindex is
  'Prepares to rebuild an index: writes down which, and returns {outcome: ready, drops: statements that remove what earlier runs have left of it, statement}, for the direct connection to execute outside of a transaction; finish_reindex follows. {outcome: blocked, reason, detail, fix}: see describe_index, and locked (someone else has the table locked), held (a transaction older than a minute, for which it would wait), leftover (an invalid index that is not ours). {outcome: gone} when it was dropped. Errors: NS409 lease lost, NS410 cancelled or paused, NS422 dry run or run of another job.';
