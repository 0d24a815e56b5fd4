create or replace function nightshift.describe_view(policy nightshift.refresh_policies, assessed jsonb, as_of timestamptz)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  target regclass := nightshift.view_of(policy);
  way jsonb;
  entry jsonb := nightshift.describe_refresh_policy(policy) || (assessed - 'state');
begin
  if target is null then
    return entry || jsonb_build_object('dependsOn', '[]'::jsonb, 'warnings', '[]'::jsonb);
  end if;
  way := nightshift.refresh_way(target, policy.allow_blocking);
  return entry
    || way
    || jsonb_build_object(
      'dataAsOf', policy.data_as_of,
      'stalenessSeconds', greatest(extract(epoch from as_of - coalesce(policy.data_as_of, policy.created_at))::bigint, 0),
      'maxStalenessSeconds', extract(epoch from policy.max_staleness)::bigint,
      'dependsOn', (
        select coalesce(jsonb_agg(c.oid::regclass::text order by c.oid::regclass::text), '[]')
        from jsonb_object_keys(assessed #> '{state,sources}') s
        cross join lateral (select c.oid from pg_catalog.pg_class c where c.oid = s::oid and c.relkind = 'm' offset 0) c
        where exists (select from nightshift.policy_of_view(c.oid))
      ),
      'usualMs', (
        select max(l.duration_ms)
        from (
          select v.duration_ms
          from nightshift.view_refreshes v
          where v.view = target and (v.status = 'refreshed' or v.error ->> 'code' = '57014')
          order by v.id desc
          limit 3
        ) l
      ),
      'timedOut', coalesce((
        select v.error ->> 'code' = '57014' from nightshift.view_refreshes v where v.view = target order by v.id desc limit 1
      ), false),
      'warnings', nightshift.refresh_warnings(target, way, assessed #>> '{state,untracked}')
    );
end;
$$;

comment on function nightshift.describe_view is
  'The policy, what assess_view and refresh_way say of its view, dataAsOf (its data is known to be that of this moment, or of a later one; null before the first refresh), stalenessSeconds (since then, or since the policy was declared), dependsOn (the views with a policy that it reads), usualMs (the longest of its last three refreshes), timedOut (the last refresh, or try of one, ran into the time limit), warnings.';
