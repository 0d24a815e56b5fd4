-- Tells subscribers of Supabase Realtime what was deleted and restored. Where deleted rows are hidden, the update itself tells them
-- nothing: they may not see the new row.
-- Users execute this with the rights of the owner, so nothing of a message comes from them: it is what the trigger has
-- written to the history in this transaction.

create or replace function nightshift.announce_changes(relation regclass)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  most_keys constant integer := 100;
  announced constant bigint := coalesce(nullif(current_setting('nightshift.announced', true), '')::bigint, 0);
  asked regclass := relation;
  last_event bigint;
  message record;
  state text;
  said text;
begin
  -- What is part of a larger call is told once that is done.
  if coalesce(current_setting('nightshift.operation', true), '') <> '' or not exists (select from nightshift.soft_delete_tables t where t.realtime) then
    return;
  end if;
  select max(e.id) into last_event from nightshift.deletion_events e where e.transaction = pg_current_xact_id();
  perform set_config('nightshift.announced', last_event::text, true);
  select t.relation into asked
  from nightshift.deletion_events e
  join nightshift.soft_delete_tables t on t.relation::text = e.relation_name
  where e.transaction = pg_current_xact_id() and e.id > announced and e.action in ('delete', 'restore')
    and t.realtime and t.relation = coalesce(asked, t.relation)
  order by e.id
  limit 1;
  if asked is null then
    return;
  end if;
  for message in
    select c.action, case when min(c.first_operation) = max(c.last_operation) then min(c.first_operation) end as operation,
      jsonb_object_agg(c.relation_name, c.rows) as rows, (
        select jsonb_agg(k.key order by k.id, k.position)
        from (
          select e.id, k.key, k.position
          from nightshift.deletion_events e
          cross join lateral jsonb_array_elements(e.keys) with ordinality k(key, position)
          where e.transaction = pg_current_xact_id() and e.id > announced and e.action = c.action and e.relation_name = asked::text
          order by e.id, k.position
          limit most_keys
        ) k
      ) as keys
    from (
      select e.action, e.relation_name, sum(e.rows) as rows, min(e.operation::text) as first_operation, max(e.operation::text) as last_operation
      from nightshift.deletion_events e
      where e.transaction = pg_current_xact_id() and e.id > announced and e.action in ('delete', 'restore')
      group by e.action, e.relation_name
    ) c
    group by c.action
  loop
    begin
      -- Whoever owns it, or its schema, could have it do what they like with the rights of the owner of Nightshift.
      if exists (
        select
        from pg_catalog.pg_proc p
        join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where p.oid = to_regprocedure('realtime.send(jsonb, text, text, boolean)')
          and nightshift.is_of_realtime(p.proowner) and nightshift.is_of_realtime(n.nspowner)
      ) then
        perform realtime.send(jsonb_build_object(
          'relation', asked::text, 'operation', message.operation, 'rows', message.rows, 'keys', message.keys
        ), message.action, 'nightshift:' || asked::text, true);
      else
        raise warning 'No message about % was sent: realtime.send(jsonb, text, text, boolean) is not there, or belongs to a role without the rights of %', asked, current_user;
      end if;
    exception
      -- Whatever is wrong with Realtime, the deletion is more than the message.
      when others then
        get stacked diagnostics state = returned_sqlstate, said = message_text;
        -- The transaction itself is in trouble, or somebody cancelled it.
        if state ~ '^(40|53|57)' then
          raise;
        end if;
        raise warning 'No message about % was sent: % (SQLSTATE %)', asked, said, state;
    end;
  end loop;
end;
$$;

comment on function nightshift.announce_changes is
  'Sends what this transaction has deleted and restored since it was called last, as private messages of Supabase Realtime: event delete or restore on the topic nightshift:<table>, {relation, operation, rows: {table: rows}, keys: 100 of that table at most}. relation: the table that a call was about; null: the first in which something happened. Sends nothing where that table is without realtime, or within a larger call. Warns where realtime.send is not there, belongs to a stranger, or fails.';
