-- The plan of a purge: which policies a run covers, and in which order.
-- Why: what a run may touch is fixed when it begins. All that may take long or fail for one table is asked of that table alone.
-- Locks: it reads.

create or replace function nightshift.plan_retention_purge(run_id uuid, fence bigint, only_relations text[] default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  run nightshift.runs;
  chosen regclass[];
  turns jsonb;
begin
  run := nightshift.hold_run(run_id, fence);
  perform nightshift.follow_tables();

  perform nightshift.require_retention_policies(only_relations || nightshift.forced_names(run));

  select coalesce(array_agg(p.relation order by p.relation::text), '{}') into chosen
  from nightshift.retention_policies p
  where p.enabled
    -- A continued run keeps to what it began with.
    and (run.progress -> 'scope' is null or run.progress -> 'scope' @> to_jsonb(p.relation::oid::bigint))
    and (only_relations is null or p.relation in (select nightshift.find_relation(o) from unnest(only_relations) o));

  select coalesce(jsonb_object_agg(o.policy::text, to_jsonb(o)), '{}') into turns from nightshift.purge_order(chosen) o;
  -- The scope is kept in the ledger: no batch of this run can touch a table that this plan did not name.
  update nightshift.runs r
  set progress = jsonb_build_object(
    'scope', to_jsonb(chosen::oid[]::bigint[]),
    'components', (
      select coalesce(jsonb_object_agg(t.policy, t.turn -> 'component'), '{}')
      from jsonb_each(turns) t(policy, turn) where t.turn -> 'component' <> '[]'
    ),
    'steps', '{}'::jsonb
  ) || r.progress
  where r.id = plan_retention_purge.run_id;
  perform nightshift.forget_decisions();

  return jsonb_build_object(
    'policies', coalesce((
      select jsonb_agg(
        jsonb_build_object(
          'relation', p.relation::text,
          'dropAfter', p.drop_after::text,
          'markerColumn', p.marker_column,
          'flagColumn', p.flag_column,
          'maxFraction', p.max_fraction,
          'refusal', run.progress #> array['refusals', p.relation::text]
        )
        order by (turns #>> array[p.relation::oid::text, 'position'])::bigint, p.relation::text
      )
      from nightshift.retention_policies p
      where p.relation = any(chosen)
    ), '[]'),
    'disabled', coalesce((
      select jsonb_agg(p.relation::text order by p.relation::text)
      from nightshift.retention_policies p
      where not p.enabled and (only_relations is null or p.relation in (select nightshift.find_relation(o) from unnest(only_relations) o))
    ), '[]'),
    'pressure', nightshift.read_pressure(run.started_at)
  );
end;
$$;

comment on function nightshift.plan_retention_purge is
  'The enabled policies that this run covers, in the order of their turns (tables that refer come before what they refer to), and the tables whose policy is disabled; fixes the former as the scope of the run. It looks at the catalogs alone; what there is to say of each table, measure_retention_backlog says, one table a call. refusal: what the brake said in an earlier attempt. pressure: what read_pressure says of the time since the run began. only_relations: names as SQL writes them; null for all. Errors: NS404 for a name without a policy, NS409 lease lost.';
