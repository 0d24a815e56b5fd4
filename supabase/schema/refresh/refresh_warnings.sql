create or replace function nightshift.refresh_warnings(view regclass, way jsonb, untracked text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  return (
    select coalesce(jsonb_agg(w.warning order by w.warning), '[]')
    from (
      select format('%s. Fix: %s', refresh_warnings.way ->> 'problem', refresh_warnings.way ->> 'fix')
      where refresh_warnings.way ? 'problem'
      union all
      select case when p.enabled is null
        then format('It reads %s, which has no refresh policy, so nobody knows how old its data is. Fix: select nightshift.add_refresh_policy(%L);',
          r.relation, r.relation)
        else format('It reads %s, whose refresh policy is switched off, so nobody knows how old its data is. Fix: select nightshift.alter_refresh_policy(%L, enabled => true);',
          r.relation, r.relation)
      end
      from nightshift.views_read(refresh_warnings.view) r(relation)
      left join lateral nightshift.policy_of_view(r.relation) p on true
      where p.enabled is not true
      union all
      select format('It is refreshed every time, changed or not, because %s.', refresh_warnings.untracked)
      where refresh_warnings.untracked is not null
      union all
      select format('The API exposes it to %s, and row level security cannot apply to it. Fix: revoke all on %s from anon, authenticated;',
        string_agg(r.rolname, ' and ' order by r.rolname), refresh_warnings.view)
      from pg_catalog.pg_roles r
      where r.rolname in ('anon', 'authenticated')
        and has_table_privilege(r.oid, refresh_warnings.view, 'select')
      having count(*) > 0
    ) w(warning)
  );
end;
$$;

comment on function nightshift.refresh_warnings is
  'What will keep a view from being refreshed, keep its data older than it need be, or expose it, with the fix, as a JSON array of sentences. way: see refresh_way.';
