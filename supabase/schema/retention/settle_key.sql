create or replace function nightshift.settle_key(policy regclass, key oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  own nightshift.retention_policies;
  named record;
  role text;
  marked record;
  may_be_released boolean;
  as_declared text;
begin
  select c.conrelid::regclass as referencing, c.conname, c.confdeltype as action, nightshift.retired_in_words(c.conrelid) as retired
  into named
  from pg_catalog.pg_constraint c where c.oid = settle_key.key;
  select k.role into role from nightshift.retention_keys k
  where k.policy = settle_key.policy and k.referencing = named.referencing and k.constraint_name = named.conname;
  if role = 'keep' then
    return null;
  elsif role is not null then
    return format('Nothing, if other sessions held rows of %s: the next run takes them.', named.referencing);
  end if;
  if named.retired <> '' then
    return format('%s -- or wait until %s is dropped: its rows hold nothing then', nightshift.call_for_role(policy, key, 'keep'), named.referencing);
  end if;
  -- Where a deletion would set the key to null or its default, those rows are to outlive what they refer to.
  may_be_released := named.action in ('n', 'd') and nightshift.stuck_column(key) is null;
  as_declared := nightshift.call_for_role(policy, key, case when may_be_released then 'release' else 'with_children' end);

  select p.* into own from nightshift.related_policies(named.referencing) p
  order by p.enabled desc
  limit 1;
  if own.enabled then
    return case when may_be_released
      then format('%s -- or wait: rows of %s go by their own policy when they are due', as_declared, named.referencing)
      -- To go along they would go before their time.
      else format('Nothing, if they can wait: rows of %s go by their own policy when they are due. -- or at once: %s', named.referencing, as_declared)
    end;
  elsif own.relation is not null then
    return format('select nightshift.alter_retention_policy(%L, enabled => true); -- or: %s', own.relation, as_declared);
  end if;
  -- A time that may be null marks rows of that table as well; one that may not would say of live rows that they are due, and so
  -- would any without the flag that goes with it. Where several policies go by such a time, each is told the same: two windows
  -- for one table would refuse each other.
  select p.drop_after, p.marker_column, p.flag_column, bool_or(p.relation = settle_key.policy) over () as fits into marked
  from nightshift.retention_policies p
  join pg_catalog.pg_attribute a on a.attrelid = named.referencing and a.attname = p.marker_column and not a.attisdropped
    and a.atttypid in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
  left join pg_catalog.pg_attribute f on f.attrelid = named.referencing and f.attname = p.flag_column and not f.attisdropped
    and f.atttypid = 'boolean'::regtype
  where case when p.flag_column is null then not a.attnotnull else f.attnum is not null end
  and (p.relation = settle_key.policy or p.enabled and exists (
    select
    from pg_catalog.pg_constraint c
    cross join lateral nightshift.related_tables(c.confrelid) r(referenced)
    where c.conrelid = named.referencing and c.contype = 'f' and r.referenced in (
      select p.relation::oid union all select k.referencing::oid from nightshift.retention_keys k where k.policy = p.relation and k.role = 'child'
    )
  ))
  order by p.drop_after desc, p.marker_column, p.flag_column
  limit 1;
  if marked.fits then
    return format('select nightshift.add_retention_policy(%L, %L, marker_column => %L%s); -- or, marked or not: %s',
      named.referencing, marked.drop_after, marked.marker_column,
      case when marked.flag_column is not null then format(', flag_column => %L', marked.flag_column) end, as_declared);
  elsif may_be_released then
    return as_declared || ' -- or, so that they go along: ''with_children''';
  end if;
  return as_declared || ' -- or, to let both stay: ''keep''';
end;
$$;

comment on function nightshift.settle_key is
  'What to do about rows that hold a row of a policy through a foreign key: a call and, as a comment, another way. Null where the policy says that they may.';
