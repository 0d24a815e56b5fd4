-- Who refers to the due rows of a policy, and what would become of them: an estimate, for who declares or plans.
-- Why: what blocks a purge is to be known before it, and to count it all would take as long as the purge.

create or replace function nightshift.measure_references(
  policy nightshift.retention_policies,
  due_rows bigint,
  as_of timestamptz,
  budget_ms integer
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
set enable_nestloop = on
as $$
declare
  -- A share of 500 is right within 5 of 100, and as many lookups take milliseconds. Each looks into all partitions.
  max_sampled constant integer := greatest(20, least(500, 50000 / greatest(1, (
    select count(*) from nightshift.all_leaf_relations(policy.relation)))));
  -- Rows with very many children are not counted to the end.
  max_found constant integer := 20000;
  stop_at constant timestamptz := clock_timestamp() + make_interval(secs => budget_ms / 1000.0);
  -- Asked for once, however often it is walked through.
  found_references constant nightshift.reference[] := array(select row(t.*)::nightshift.reference from nightshift.reference_tree(policy.relation) t);
  relations oid[];
  tids tid[];
  sampled integer;
  tree record;
  above text;
  goes text;
  is_hold boolean;
  max_looked_at integer;
  max_taken integer;
  source text;
  sources jsonb := '{}';
  walks jsonb := '{}';
  max_read bigint;
  walk text;
  numbers bigint[];
  found_rows bigint;
  last_number bigint;
  is_whole boolean;
  held bigint[] := '{}';
  seen bigint;
  held_before bigint;
  going numeric;
  has_holders boolean := false;
  is_at_most boolean := false;
  out_of_time boolean := false;
  -- Where rows go, once for each key that leads there.
  led_to oid[] := array[policy.relation::oid];
  -- Keys to where several lead, and what hangs below: only the first is followed.
  in_part oid[] := '{}';
  is_part boolean;
  children constant oid[] := array(
    select k.referencing::oid from nightshift.retention_keys k where k.policy = measure_references.policy.relation and k.role = 'child'
  );
  -- Keys whose rows may go along with what they hold, unless something else keeps that.
  along oid[] := '{}';
  may_go_along boolean;
  -- Of tables that hold rows and have a policy, those whose own rows others may need.
  referred_to oid[];
  may_stay boolean;
  is_sample boolean;
  all_seen boolean;
  keys jsonb := '{}';
begin
  select s.* into relations, tids, all_seen from nightshift.sample_due_rows(policy, due_rows, as_of, max_sampled) s;
  sampled := coalesce(cardinality(tids), 0);
  is_sample := not all_seen;
  if all_seen then
    due_rows := sampled;
  end if;
  going := due_rows;
  if sampled > 0 then
    referred_to := array(
      select distinct r.relation
      from nightshift.referencing_keys(array(
        select distinct f.referencing::oid from unnest(found_references) f where f.own_policy and f.role in ('hold', 'keep')
      )) r
    );
  end if;

  for tree in select f.* from unnest(found_references) f loop
    if tree.role = 'child' then
      led_to := led_to || tree.referencing::oid;
    end if;
    above := case when tree.under is null
      then 'select s.n, s.relation, s.tid from unnest($1, $2) with ordinality s(relation, tid, n) where s.n <> all($3)'
      else sources ->> tree.under::text end;
    -- Without an index each row reads the whole table, so a few do, of a small one.
    max_read := greatest(20, least(max_found, case when tree.indexed then 100000 / (
        select count(*) from (select nightshift.all_leaf_relations(tree.referenced) union all select nightshift.all_leaf_relations(tree.referencing)) l
      ) else 10000 / greatest(nightshift.pages_of(tree.referencing), 1) end));
    continue when above is null or not tree.indexed and nightshift.is_large(tree.referencing);
    is_hold := tree.role in ('hold', 'keep');
    -- A row that holds may go itself: by a policy of its own, or as a child, like a reply with what it replies to.
    may_go_along := is_hold and tree.referencing::oid = any(children);
    goes := case when is_hold then '(' || nullif(concat_ws(' or ',
      nightshift.own_due_condition(tree.referencing, as_of),
      case when may_go_along then nightshift.child_condition(policy, tree.referencing, as_of) end
    ), '') || ') is true' end;
    max_looked_at := case when not is_hold then max_found when may_go_along then 100 else 1000 end;
    max_taken := case when is_hold then 1 else max_found end;
    -- Rows that nothing refers to are there as well, so that it is known how far a walk has come when it is ended. Of rows
    -- that hold one is enough, unless they are due themselves.
    source := format(
      'select r.n, y.relation, y.tid, r.place
       from (select a.*, row_number() over () as place from (%s) a where a.tid is not null limit %s) r
       left join lateral (
         select l.relation, l.tid
         from (select x.tableoid as relation, x.ctid as tid, %s as goes from %s limit %s) l
         where not l.goes
         limit %s
       ) y on true',
      above, max_read, coalesce(goes, 'false'), nightshift.reference_join(tree.key, true), max_looked_at, max_taken
    );
    walk := format(
      'select coalesce(array_agg(distinct c.n) filter (where c.tid is not null), ''{}''), count(c.tid),
         count(*) < %2$s and coalesce(max(c.place), 0) < %3$s, max(c.n)
       from (%1$s limit %2$s) c',
      source, max_found, max_read
    );
    walks := walks || jsonb_build_object(tree.key::text, walk);
    if tree.indexed then
      sources := sources || jsonb_build_object(tree.key::text, format('select s.n, s.relation, s.tid from (%s) s', source));
    end if;
  end loop;

  for tree in select f.* from unnest(found_references) f loop
    if tree.role in ('hold', 'keep') and tree.referencing::oid = any(children) then
      along := along || tree.key;
    end if;
    if tree.under = any(in_part) or (
      select count(*) > 1 from unnest(led_to) l(oid) where l.oid in (select nightshift.related_tables(tree.referenced))
    ) then
      in_part := in_part || tree.key;
    end if;
  end loop;

  -- Who holds rows comes first: children go only with rows that nobody holds.
  for tree in
    select t.*, t.role in ('hold', 'keep') as is_hold
    from unnest(found_references) with ordinality t(key, under, role, own_policy, name, referenced, referencing, indexed, place)
    order by t.role in ('hold', 'keep') desc, t.place
  loop
    walk := walks ->> tree.key::text;
    is_whole := walk is not null and clock_timestamp() < stop_at;
    out_of_time := out_of_time or walk is not null and not is_whole;
    is_part := sampled > 0 and tree.key = any(in_part);
    -- A row that is due itself stays where another needs it, and holds then after all.
    may_stay := sampled > 0 and tree.is_hold and tree.own_policy
      and tree.referencing::oid = any(referred_to);
    seen := 0;
    if is_whole then
      execute walk into numbers, found_rows, is_whole, last_number
        using relations, tids, case when tree.is_hold then '{}' else held end;
      -- They come in the order of the sample.
      seen := case when is_whole then sampled else last_number end;
    end if;
    if tree.is_hold then
      has_holders := true;
      held_before := (select count(*) from unnest(held) h where h <= seen);
      held := array(select unnest(held) union select unnest(numbers) where seen > 0);
      may_go_along := sampled > 0 and tree.key = any(along);
      all_seen := all_seen and is_whole and not tree.own_policy and not is_part and not may_go_along;
      is_at_most := is_at_most or is_part or may_go_along or may_stay;
      -- Each walk takes its share of what those before it left: it may have come less far than they did.
      if seen > held_before then
        going := going * (seen - (select count(*) from unnest(held) h where h <= seen)) / (seen - held_before);
      else
        is_at_most := is_at_most or going > 0;
      end if;
    else
      seen := seen - (select count(*) from unnest(held) h where h <= seen);
    end if;
    keys := keys || jsonb_build_object(tree.key::text, jsonb_build_object(
      'rows', case
        when sampled = 0 then 0
        when tree.is_hold and seen > 0 then round(due_rows * cardinality(numbers) / seen)
        when not tree.is_hold and going = 0 then 0
        when not tree.is_hold and seen > 0 then round(going * found_rows / seen)
      end,
      'rowsExact', is_whole and not is_sample and not is_part and not may_stay and (tree.is_hold and tree.key <> all(along) or all_seen),
      'rowsInPart', is_part
    ));
  end loop;

  return jsonb_build_object(
    'goes', round(going),
    -- As exact as due_rows.
    'goesExact', all_seen or not has_holders,
    'goesAtMost', is_at_most and going > 0,
    'outOfTime', out_of_time,
    'keys', coalesce((
      select jsonb_agg(jsonb_build_object(
        'key', t.name,
        'table', t.referencing::text,
        'columns', nightshift.key_columns(t.key),
        'under', u.name,
        'role', t.role,
        'ownPolicy', t.own_policy,
        'createIndex', case when not t.indexed then nightshift.index_for_key(t.key) end,
        'fix', case when t.role = 'hold' then nightshift.settle_key(policy.relation, t.key) end
      ) || (keys -> t.key::text) order by t.place)
      from unnest(found_references) with ordinality t(key, under, role, own_policy, name, referenced, referencing, indexed, place)
      left join unnest(found_references) u on u.key = t.under
    ), '[]')
  );
end;
$$;

comment on function nightshift.measure_references is
  'What would become of due_rows of a policy, estimated from at most 500 of them: goes, how many nobody holds, goesAtMost, whether it can be fewer because there was a key that could not be looked at, or not in all ways that lead to it, and outOfTime, whether that was for want of time; keys, each foreign key of reference_tree with what the policy says of it (child, release, keep, hold), rows (how many due rows it holds, or how many rows that refer go along or are released; null where that cannot be known quickly), rowsInPart (there may be more: several keys lead to what it refers to, and only the one it hangs under was followed), createIndex and fix where there is something to do. The Exact flags say what is no estimate. No large table is read, and nothing more is counted once budget_ms is over.';
