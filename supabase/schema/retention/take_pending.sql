create or replace function nightshift.take_pending(
  run nightshift.runs,
  scope oid[],
  turn regclass,
  locking boolean,
  fewest_moved integer,
  out level integer,
  out seeds nightshift.row_set[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  taken nightshift.row_set[];
begin
  seeds := '{}';
  select max(p.level) into level
  from nightshift.purge_pending p where p.run_id = run.id and p.turn = take_pending.turn::oid
  -- Nobody waits for those that have only moved, and few would be a batch for little.
  having max(p.level) > 0 or count(*) >= fewest_moved;
  if level is null then
    return;
  end if;
  seeds := array(
    select row(g.policy, g.relation, true, g.tids)::nightshift.row_set
    from (
      select p.policy, p.relation, array_agg(p.tid) as tids
      from nightshift.purge_pending p
      where p.run_id = run.id and p.turn = take_pending.turn::oid and p.level = take_pending.level
        -- Of a policy that was removed or switched off meanwhile, none goes any more.
        and exists (select from nightshift.covering_policy(p.relation, scope) c where c.relation::oid = p.policy)
        and not exists (
          select from nightshift.purge_decisions d
          where d.run_id = run.id and d.relation = p.relation and d.tid = p.tid
        )
      group by p.policy, p.relation
    ) g
  );
  if locking then
    taken := seeds;
    seeds := nightshift.lock_rows(run, taken);
    -- Those that somebody has would come up again and again, as long as others wait for them.
    perform nightshift.remember_held(run.id, array(
      select row(s.policy, s.relation, t.tid, 'undecided', null)::nightshift.held_row
      from unnest(nightshift.subtract_row_sets(taken, seeds)) s
      cross join lateral unnest(nightshift.find_due_among(run, scope, s.relation, s.tids)) t(tid)
    ));
  end if;
end;
$$;

comment on function nightshift.take_pending is
  'The rows that wait in this turn and are to be taken up next, locked where locking says so and then known to be due (due ones that others have locked stay undecided); level is null when none wait, or fewer than fewest_moved that have only moved (level 0).';
