create or replace function nightshift.record_failed_restores(relation regclass, actor text, reason text, failed jsonb)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
  -- Whoever may restore may execute this. Only from within a restore is that setting there: over the API nobody can make it.
  if jsonb_array_length(failed) = 0 or coalesce(current_setting('nightshift.operation', true), '') <> 'restore' then
    return;
  end if;
  insert into nightshift.deletion_events (action, relation_name, rows, keys, actor, reason, details)
  select 'restore_failed', relation::text, jsonb_array_length(failed),
    (select jsonb_agg(f -> 'key') from jsonb_array_elements(failed) f), actor, reason, jsonb_agg(
      jsonb_build_object('code', g.code, 'constraint', g.violated, 'raisedIn', g.place, 'rows', g.n)
      order by g.n desc, g.code, g.violated, g.place
    )
  from (
    select f ->> 'code', f ->> 'constraint', f ->> 'raisedIn', count(*) from jsonb_array_elements(failed) f group by 1, 2, 3
  ) g(code, violated, place, n);
end;
$$;

comment on function nightshift.record_failed_restores is
  'Records what restore reports of rows that could not come back. It does nothing when called by itself.';
