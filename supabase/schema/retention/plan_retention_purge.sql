-- The plan of a purge: how much is due, and which policies a run covers.
-- Why: what a run may touch is fixed when it begins, and what it would remove is measured before it removes anything.
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
  unknown text;
begin
  run := nightshift.hold_run(run_id, fence);
  perform nightshift.follow_tables();

  select string_agg(o, ', ') into unknown
  from unnest(only_relations || nightshift.forced_names(run)) o
  where not exists (
    select 1 from nightshift.retention_policies p where p.relation = nightshift.find_relation(o)
  );
  if unknown is not null then
    raise exception using
      errcode = 'NS404',
      message = format('No retention policy for: %s', unknown),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(p.relation::text, ', ' order by p.relation::text) from nightshift.retention_policies p), 'no table')),
      hint = 'Name tables with their schema and with quotes where SQL needs them, like public."Product".';
  end if;

  select coalesce(array_agg(p.relation order by p.relation::text), '{}') into chosen
  from nightshift.retention_policies p
  where p.enabled
    -- A continued run keeps to what it began with.
    and (run.progress -> 'scope' is null or run.progress -> 'scope' @> to_jsonb(p.relation::oid::bigint))
    and (only_relations is null or p.relation in (select nightshift.find_relation(o) from unnest(only_relations) o));

  -- The scope is kept in the ledger: no batch of this run can touch a table that this plan did not name.
  update nightshift.runs r
  set progress = jsonb_build_object(
    'scope', to_jsonb(chosen::oid[]::bigint[]),
    'components', (
      select coalesce(jsonb_object_agg(o.policy::text, to_jsonb(o.component::bigint[])), '{}')
      from nightshift.purge_order(chosen) o where cardinality(o.component) > 0
    ),
    'steps', '{}'::jsonb
  ) || r.progress
  where r.id = plan_retention_purge.run_id;
  perform nightshift.forget_decisions();

  return jsonb_build_object(
    'policies', coalesce((
      select jsonb_agg(
        nightshift.describe_retention_policy(p)
        || jsonb_build_object(
          'warnings', nightshift.retention_warnings(p.relation),
          'keys', coalesce((
            select jsonb_agg(jsonb_build_object(
              'key', t.name, 'table', t.referencing::text, 'fix', nightshift.settle_key(p.relation, t.key),
              'leftOut', t.role in ('hold', 'keep') and t.own_policy and not exists (
                select from unnest(chosen) c where c::oid in (select nightshift.related_tables(t.referencing))
              )
            ))
            from nightshift.reference_tree(p.relation) t
          ), '[]'),
          'refusal', run.progress #> array['refusals', p.relation::text]
        )
        order by o.position, p.relation::text
      )
      from nightshift.purge_order(chosen) o
      join nightshift.retention_policies p on p.relation::oid = o.policy
    ), '[]'),
    'disabled', coalesce((
      select jsonb_agg(p.relation::text order by p.relation::text)
      from nightshift.retention_policies p
      where not p.enabled and (only_relations is null or p.relation in (select nightshift.find_relation(o) from unnest(only_relations) o))
    ), '[]')
  );
end;
$$;

comment on function nightshift.plan_retention_purge is
  'The enabled policies that this run covers, in the order of their turns (tables that refer come before what they refer to), and the tables whose policy is disabled; fixes the former as the scope of the run. keys: who refers to rows that go, with the call that settles it, and whether rows that refer have a policy which this run leaves out. refusal: what the brake said in an earlier attempt. only_relations: names as SQL writes them; null for all. Errors: NS404 for a name without a policy, NS409 lease lost.';
