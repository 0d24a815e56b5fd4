-- Retention policies: which rows of which table may go, and when. No policy, no deletion.
-- Why: everything that decides whether a row is due is declared, validated and read here, once.

create or replace function nightshift.check_retention_policy(policy nightshift.retention_policies, allow_short boolean)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  kind "char";
  schema_name name;
  due text;
  -- Whoever calls, not the owner of this function: a policy gives nobody a right to delete that they lack.
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
begin
  select c.relkind, n.nspname into kind, schema_name
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = policy.relation;

  if policy.relation is null or not found then
    raise exception using
      errcode = 'NS404',
      message = 'There is no such table',
      hint = 'Name an existing table, with its schema: nightshift.add_retention_policy(''public.orders'', ''30 days'').';
  end if;
  if kind not in ('r', 'p') then
    raise exception using
      errcode = 'NS422',
      message = format('%s is not a table', policy.relation),
      hint = 'A retention policy needs the table that holds the rows, not a view, a materialized view or a foreign table.';
  end if;
  if schema_name in ('pg_catalog', 'information_schema', 'nightshift', 'supabase_migrations') or schema_name like 'pg\_t%' then
    raise exception using
      errcode = 'NS422',
      message = format('%s belongs to the system or is temporary', policy.relation),
      hint = 'Declare policies on tables of your application.';
  end if;
  if nightshift.advice_for_supabase_table(policy.relation) is not null then
    raise exception using
      errcode = 'NS422',
      message = format('%s is kept by Supabase or an extension, which rely on its rows', policy.relation),
      hint = nightshift.advice_for_supabase_table(policy.relation);
  end if;
  if not has_table_privilege(caller, policy.relation, 'delete') then
    raise exception using
      errcode = 'NS422',
      message = format('%s may not delete rows of %s', caller, policy.relation),
      hint = format('Declare the policy as the owner of the table, or: grant delete on %s to %I;', policy.relation, caller);
  end if;
  perform nightshift.require_trusted(policy.relation::oid || array(
    select distinct k.referencing::oid
    from nightshift.leaf_relations(policy.relation) l, nightshift.referencing_keys(l) k
  ));
  if not (
    has_table_privilege(policy.relation, 'select')
    and has_table_privilege(policy.relation, 'update')
    and has_table_privilege(policy.relation, 'delete')
  ) then
    raise exception using
      errcode = 'NS422',
      message = format('%s may not select, lock and delete rows of %s', current_user, policy.relation),
      hint = format('grant select, update, delete on %s to %I;', policy.relation, current_user);
  end if;
  if exists (
    select 1 from pg_catalog.pg_rewrite w
    where w.ev_class = policy.relation and w.ev_type = '4' and w.is_instead
  ) then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a rule that replaces DELETE', policy.relation),
      hint = 'Drop the rule; a purge could delete nothing through it.';
  end if;
  if exists (
    select 1
    from nightshift.retention_policies o
    where o.relation <> policy.relation
      and (
        o.relation in (select a.relid from pg_catalog.pg_partition_ancestors(policy.relation) a(relid))
        or policy.relation in (select a.relid from pg_catalog.pg_partition_ancestors(o.relation) a(relid))
      )
  ) then
    raise exception using
      errcode = 'NS422',
      message = format('A partition or a parent of %s has a retention policy already', policy.relation),
      hint = 'One policy on the partitioned table covers all of its partitions.';
  end if;
  if exists (
    select 1
    from pg_catalog.pg_partition_tree(policy.relation) t
    join pg_catalog.pg_class c on c.oid = t.relid
    where c.relkind = 'f'
  ) then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a partition that is a foreign table', policy.relation),
      hint = 'Rows elsewhere cannot be locked and purged from here; declare the policy where they live.';
  end if;

  -- Each field by itself: '1 month -30 days' is positive on paper and negative in February.
  if policy.drop_after is null
    or not isfinite(policy.drop_after)
    or least(
      extract(year from policy.drop_after), extract(month from policy.drop_after), extract(day from policy.drop_after),
      extract(hour from policy.drop_after), extract(minute from policy.drop_after), extract(second from policy.drop_after)
    ) < 0
    or policy.drop_after <= '0'
  then
    raise exception using
      errcode = 'NS422',
      message = format('drop_after must be a positive interval, not %s', coalesce(policy.drop_after::text, 'null')),
      hint = 'Say how old a row must be to go, for example ''30 days''.';
  end if;
  if policy.drop_after < '1 day' and not coalesce(allow_short, false) then
    raise exception using
      errcode = 'NS422',
      message = format('drop_after is only %s', policy.drop_after),
      detail = 'An interval under one day is more often a wrong unit than a wish.',
      hint = 'Pass allow_short => true if it is meant.';
  end if;
  if policy.max_fraction is null or policy.max_fraction <= 0 or policy.max_fraction > 1 then
    raise exception using
      errcode = 'NS422',
      message = format('max_fraction must be over 0 and at most 1, not %s', coalesce(policy.max_fraction::text, 'null')),
      hint = 'It is the share of the table that one run may remove; 0.5 by default.';
  end if;

  due := nightshift.due_condition(
    'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, now()
  );
  if not nightshift.marker_is_indexed(policy.relation, policy.marker_column, due) then
    raise exception using
      errcode = 'NS422',
      message = format('No index serves %I of %s', policy.marker_column, policy.relation),
      detail = 'Without it every look for due rows reads the whole table.',
      hint = format(
        'create index %son %s (%I) where %s;',
        -- Postgres cannot build an index concurrently on a partitioned table.
        case when kind = 'p' then '' else 'concurrently ' end,
        policy.relation, policy.marker_column,
        case when policy.flag_column is null
          then format('%I is not null', policy.marker_column) else format('%I', policy.flag_column) end
      );
  end if;
  perform nightshift.require_no_sentinel(policy);
end;
$$;

comment on function nightshift.check_retention_policy is
  'Raises NS404 or NS422, with the fix in the hint, unless the policy can be applied as it is.';
