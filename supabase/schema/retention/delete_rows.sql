create or replace function nightshift.delete_rows(doomed nightshift.row_set[], scope oid[])
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  deletes text[];
  deleted_rows bigint;
  deleted jsonb;
  expected jsonb;
begin
  if cardinality(doomed) = 0 then
    return '{}';
  end if;
  -- The row locks hold the tables as they are from here on; a partition may have been detached just before.
  if exists (
    select 1 from unnest(doomed) d
    where not exists (select 1 from nightshift.covering_policy(d.relation, scope))
  ) then
    raise exception using
      errcode = 'serialization_failure',
      message = 'A partition was detached, or a policy changed, while its rows were being chosen',
      detail = 'Nothing was deleted.',
      hint = 'Repeat the call.';
  end if;
  if exists (
    select 1
    from pg_catalog.pg_trigger t
    where t.tgrelid in (select d.relation from unnest(doomed) d) and not t.tgisinternal
  ) then
    -- Triggers of the application were written for the application's own search path, not for ours.
    perform set_config('search_path', (select s.trigger_search_path || ', pg_temp' from nightshift.settings s), true);
  else
    perform set_config('enable_seqscan', 'off', true);
  end if;

  -- Where the rows lie close together, bounds let Postgres read that stretch of the table once, three times as fast as
  -- fetching each row by its address.
  select
    array_agg(format(
      'delete from only %s where ctid operator(pg_catalog.=) any(($1[%s]).tids) and tableoid operator(pg_catalog.=) %s %s',
      nightshift.trusted_name(d.relation), d.position, d.relation,
      case when (b.last::text::point)[0] - (b.first::text::point)[0] < cardinality(d.tids) / 4
        then format('and ctid operator(pg_catalog.>=) %L and ctid operator(pg_catalog.<=) %L', b.first, b.last) end
    ) order by d.position),
    jsonb_object_agg(d.relation, cardinality(d.tids))
  into deletes, expected
  from unnest(doomed) with ordinality d(relation, tids, position)
  cross join lateral (select min(t) as first, max(t) as last from unnest(d.tids) t) b;

  begin
    if cardinality(deletes) = 1 then
      execute deletes[1] using doomed;
      get diagnostics deleted_rows = row_count;
      deleted := jsonb_build_object(doomed[1].relation, deleted_rows);
    else
      -- One statement for all tables: foreign keys are checked at its end, when rows that refer to each other are all gone.
      execute (
        select format(
          'with %s select pg_catalog.jsonb_build_object(%s)',
          string_agg(format('d%s as (%s returning 1)', d.position, deletes[d.position]), ', '),
          string_agg(format('%L, (select pg_catalog.count(*) from d%s)', d.relation, d.position), ', ')
        )
        from unnest(doomed) with ordinality d(relation, tids, position)
      ) into deleted using doomed;
    end if;
    -- Since Postgres 18 a trigger that is put off to the commit has our rights there as well, with the search path of the caller.
    set constraints all immediate;
  exception
    -- Our own errors are shown as they are. One that a trigger raises under a code of ours may quote a row.
    when sqlstate 'NS000' then
      raise exception using
        errcode = 'NS422',
        message = format('A trigger raised an error with SQLSTATE %s, which is Nightshift''s own', sqlstate),
        detail = 'The batch was rolled back, with whatever the trigger did.',
        hint = 'Let the trigger use another SQLSTATE; to see what it says, delete one of the due rows by hand.';
  end;
  perform set_config('search_path', 'pg_catalog, pg_temp', true);

  if deleted <> expected then
    raise exception using
      errcode = 'NS422',
      message = format('A trigger kept rows from being deleted: %s of %s went', deleted, expected),
      detail = 'The batch was rolled back, with whatever the trigger did.',
      hint = 'A BEFORE DELETE trigger that turns deletes into soft deletes must let rows go that are soft-deleted already.';
  end if;
  return (
    select jsonb_object_agg(e.relation, e.n)
    from (
      select p.relation::text, sum(d.value::bigint) as n
      from jsonb_each_text(deleted) d
      cross join lateral nightshift.covering_policy(d.key::oid::regclass, scope) p
      group by p.relation
    ) e
  );
end;
$$;

comment on function nightshift.delete_rows is
  'Deletes locked rows of any tables in one statement and returns how many, by the table of the policy. Errors: NS422, all undone, when a trigger kept a row; 40001 when a table is no longer covered.';
