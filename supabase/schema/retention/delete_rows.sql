create or replace function nightshift.delete_rows(
  run nightshift.runs,
  rows_to_delete nightshift.row_set[],
  scope oid[],
  try_names jsonb default null
)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  by_table nightshift.row_set[];
  names text[];
  deletes text[];
  of_one_table boolean;
  together text;
  deleted_rows bigint;
  deleted jsonb;
  expected jsonb;
  may_go boolean := false;
  state text;
  violated text;
  context text;
begin
  if cardinality(rows_to_delete) = 0 then
    return null;
  end if;
  -- The row locks hold the tables as they are from here on; a partition may have been detached just before.
  if try_names is null and exists (
    select 1 from unnest(rows_to_delete) d
    where d.due and not exists (select 1 from nightshift.covering_policy(d.relation, scope) p where p.relation::oid = d.policy)
  ) then
    raise exception using
      errcode = 'NS425',
      message = 'A partition was detached, or a policy changed, while its rows were being chosen',
      detail = 'Nothing was deleted.',
      hint = 'Repeat the call.';
  end if;
  by_table := array(
    select row(null, s.relation, null, case s.sets
      when 1 then (rows_to_delete[s.position]).tids
      -- A row may go for two reasons.
      else array(
        select distinct t.tid from unnest(rows_to_delete) d cross join lateral unnest(d.tids) t(tid)
        where d.relation = s.relation
      ) end)::nightshift.row_set
    from (
      select d.relation, count(*) as sets, min(d.position) as position
      from unnest(rows_to_delete) with ordinality d(policy, relation, due, tids, position)
      group by d.relation
    ) s
  );
  if try_names is null then
    perform nightshift.hold_cascades(by_table);
    names := nightshift.trusted_names(array(
      select d.relation from unnest(by_table) with ordinality d(policy, relation, due, tids, position) order by d.position
    ));
  else
    names := array(
      select try_names ->> d.relation::text
      from unnest(by_table) with ordinality d(policy, relation, due, tids, position) order by d.position
    );
  end if;
  -- Where the rows lie close together, bounds let Postgres read that stretch of the table once, three times as fast as
  -- fetching each row by its address.
  select
    array_agg(format(
      'delete from only %s where ctid operator(pg_catalog.=) any(($1[%s]).tids) and tableoid operator(pg_catalog.=) %s %s',
      names[d.position], d.position, d.relation,
      case when (b.last::text::point)[0] - (b.first::text::point)[0] < cardinality(d.tids) / 4
        then format('and ctid operator(pg_catalog.>=) %L and ctid operator(pg_catalog.<=) %L', b.first, b.last) end
    ) order by d.position),
    jsonb_object_agg(d.relation, cardinality(d.tids))
  into deletes, expected
  from unnest(by_table) with ordinality d(policy, relation, due, tids, position)
  cross join lateral (select min(t) as first, max(t) as last from unnest(d.tids) t) b;

  of_one_table := cardinality(deletes) = 1;
  -- One statement for all tables: foreign keys are checked at its end, when rows that refer to each other are all gone.
  together := (
    select format(
      'with %s select pg_catalog.jsonb_object_agg(d.relation, d.n) from (%s) d(relation, n)',
      string_agg(format('d%s as (%s returning 1)', d.position, deletes[d.position]), ', '),
      string_agg(format('select %L, pg_catalog.count(*) from d%s', d.relation, d.position), ' union all ')
    )
    from unnest(by_table) with ordinality d(policy, relation, due, tids, position)
  );

  begin
    if nightshift.fires_triggers(by_table, scope) then
      -- Triggers of the application were written for the application's own search path, not for ours. Until it is ours again we
      -- call nothing of Postgres by its name alone: in that path, anyone may have made a function that fits better.
      perform set_config('search_path', (select s.trigger_search_path || ', pg_temp' from nightshift.settings s), true);
    else
      perform set_config('enable_seqscan', 'off', true);
    end if;
    if of_one_table then
      execute deletes[1] using by_table;
      get diagnostics deleted_rows = row_count;
    else
      execute together into deleted using by_table;
    end if;
    -- What is put off to the commit would undo the whole batch there, since Postgres 18 with our rights and the search path of the caller.
    set constraints all immediate;
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    if of_one_table then
      deleted := jsonb_build_object(by_table[1].relation, deleted_rows);
    end if;
    if deleted <> expected then
      raise exception using errcode = 'NS422', message = 'A trigger kept a row from being deleted';
    end if;
    if try_names is not null then
      may_go := true;
      raise exception using errcode = 'NS200';
    end if;
  exception
    -- A trigger may raise any code there is, and only the rows can tell which of them it means.
    when others then
      if may_go then
        return null;
      end if;
      get stacked diagnostics
        state = returned_sqlstate, violated = constraint_name, context = pg_exception_context;
      -- The server is in trouble or another session in the way, or no row of this table could go. Of 40001 the next try
      -- tells: a conflict with another session has passed by then, and a trigger that raises it does so again.
      if state ~ '^(25|40(?!001)|53|54|55|57|58|XX)' or state = '42501' and context !~ 'function (?!nightshift\.)' then
        raise;
      end if;
      return nightshift.name_refusal(by_table, state, violated, context);
  end;
  return null;
end;
$$;

comment on function nightshift.delete_rows is
  'Deletes locked rows of any tables in one statement. Returns null, or what refused (a trigger or constraint, by name; never what it said, which may quote a row) and then nothing is deleted. try_names: what trusted_names says of their tables; then they have been tried before, with others, and nothing is deleted: it only says what would refuse. Errors: NS425 when a table is no longer covered, and what concerns more than single rows.';
