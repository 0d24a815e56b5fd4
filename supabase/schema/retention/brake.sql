create or replace function nightshift.brake(run nightshift.runs, policy_relation oid, going jsonb)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.retention_policies;
  backlog jsonb;
  excess record;
begin
  select p.* into policy from nightshift.retention_policies p where p.relation::oid = policy_relation;
  -- A first purge is accepted once, whatever it takes. A table that grows meanwhile can lose more rows than it had.
  if policy.first_purge = 'all' or policy.max_fraction = 1 or nightshift.is_forced(run, policy.relation) then
    return null;
  end if;
  backlog := run.progress #> array['backlogs', policy.relation::text];
  select g.relation, g.n, g.total, round(100.0 * g.n / g.total, 1) as percent into excess
  from (
    select e.key as relation, e.value::bigint as n,
      case e.key
        when policy.relation::text then (backlog ->> 'totalRows')::bigint
        else (backlog #>> array['children', e.key, 'totalRows'])::bigint
      end as total
    from jsonb_each_text(going) e
  ) g
  -- Of a small table a large share is soon due.
  where g.total >= 1000 and g.n > policy.max_fraction * g.total
  order by g.n::numeric / g.total desc, g.relation
  limit 1;
  if not found then
    return null;
  end if;
  return format('%s: at least %s of %s rows would go (%s%%), more than max_fraction of %s allows (%s%%, %s rows)',
    excess.relation, excess.n, excess.total, trim_scale(excess.percent), policy.relation,
    trim_scale(round(policy.max_fraction * 100, 1)), floor(policy.max_fraction * excess.total));
end;
$$;

comment on function nightshift.brake is
  'A sentence when so many rows of a policy''s table or of its children, by table, are more than its max_fraction allows; null when they may go: within the limit, forced, accepted as a first purge, or of a table of fewer than 1,000 rows.';
