-- Health check policies_broken: policies whose table or view is gone, or no longer what they were declared for.
-- Why: a renamed column ends a purge for good, and the failure of one among forty tables is easily overlooked.

create or replace function nightshift.health_policies_broken(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.retention_policies;
  unidentified oid[];
  measure nightshift.health_measure;
begin
  for policy in select p.* from nightshift.retention_policies p where p.enabled loop
    measure := null;
    measure.subject := 'retention of ' || (nightshift.describe_retention_policy(policy) ->> 'relation');
    measure.value := 0;
    begin
      perform nightshift.due_by_marker('r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, as_of);
      unidentified := array(
        select u from nightshift.policy_members(array[policy.relation::oid]) m, unnest(nightshift.without_replica_identity(m.member)) u
      );
      if cardinality(unidentified) > 0 then
        measure.value := 1;
        measure.detail := format('Postgres refuses to delete from %s: a publication has its deletions, and nothing identifies its rows.',
          nightshift.name_some(unidentified));
        measure.fix := format('alter table %s replica identity full;', unidentified[1]::regclass);
      end if;
    exception
      when sqlstate 'NS404' then
        measure.value := 1;
        measure.detail := sqlerrm || '.';
        -- Without its table it can only be called by its number.
        measure.fix := format('select nightshift.remove_retention_policy(%s::oid::regclass);', policy.relation::oid);
      when sqlstate 'NS422' then
        measure.value := 1;
        measure.detail := sqlerrm || '. Where it has another name now, nightshift.alter_retention_policy takes it.';
        measure.fix := format('select nightshift.remove_retention_policy(%L);', policy.relation);
    end;
    return next measure;
  end loop;

  return query
  select
    format('refresh of %s', coalesce(v.view::text, p.view_name)),
    (v.view is null)::integer::numeric,
    case when v.view is null then 'The view is gone, and no other has its name.' end,
    case when v.view is null then format('select nightshift.remove_refresh_policy(%L);', p.view_name) end,
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.refresh_policies p
  cross join nightshift.view_of(p) v(view)
  where p.enabled;

  return query
  select
    format('partitions of %s', coalesce(c.oid::regclass::text, p.parent_name)),
    (s.document is not null)::integer::numeric,
    s.document ->> 'problem' || '.',
    s.document ->> 'fix',
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.partition_policies p
  left join pg_catalog.pg_class c on c.oid = p.parent
  left join nightshift.describe_partition_sets(array(
    select b.parent::oid from nightshift.partition_policies b
    where b.enabled and (nightshift.partition_key(b.parent)).column_name is null
  ), as_of) s on s.parent = p.parent
  where p.enabled;

  return query
  select
    'encryption of the history of deletions',
    (w.message is not null)::integer::numeric,
    w.message || ': keys and reasons of deletions are not written at all.',
    w.hint,
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.settings s
  cross join nightshift.why_not_sealed(s.history_secret) w
  where s.history_secret is not null;
end;
$$;

comment on function nightshift.health_policies_broken is
  '1 for each enabled policy, of any kind, whose table or view is gone or no longer fits it, and for the encryption of the history, where its secret cannot be used; else 0. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'policies_broken',
  title => 'Policies that fit no more',
  healthy => 'Every policy fits its table or view.',
  why => 'Nothing is purged, refreshed or partitioned there any more, whatever the policy promises.',
  unit => 'count', critical => 1, quick => true
);
