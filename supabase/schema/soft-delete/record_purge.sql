create or replace function nightshift.record_purge(run_id uuid, before jsonb, after jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from nightshift.soft_delete_tables) then
    return;
  end if;
  insert into nightshift.deletion_events (operation, action, relation_name, rows, actor)
  select record_purge.run_id, 'purge', t.relation::text, sum(c.rows), 'retention-purge'
  from nightshift.soft_delete_tables t
  join (
    select s.name, sign * n.rows as rows, n.relation_name
    from (values ('before', -1, record_purge.before), ('after', 1, record_purge.after)) s(name, sign, steps)
    cross join lateral jsonb_each(coalesce(s.steps, '{}')) e
    cross join lateral (
      select e.key, (e.value ->> 'rowsPurged')::bigint
      union all
      select c.key, c.value::bigint from jsonb_each_text(coalesce(e.value -> 'children', '{}')) c
    ) n(relation_name, rows)
  ) c on c.relation_name = t.relation::text
  group by t.relation
  having sum(c.rows) > 0
  order by t.relation::text;
end;
$$;

comment on function nightshift.record_purge is
  'Records how many rows of tables with soft delete a batch has purged: the difference of two states of progress.steps. Without their keys, so that what was to be forgotten is.';
