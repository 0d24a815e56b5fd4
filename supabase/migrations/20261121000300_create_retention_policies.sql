-- Retention policies: which rows of which table may go, and when. No policy, no deletion.
-- Why: everything that decides whether a row is due is declared, validated and read here, once.
-- Locks: none on any existing object.

create table nightshift.retention_policies (
  relation regclass primary key,
  drop_after interval not null,
  marker_column name not null,
  flag_column name,
  max_fraction numeric not null default 0.5 check (max_fraction > 0 and max_fraction <= 1),
  enabled boolean not null default true,
  created_at timestamptz not null default now(),
  last_purged_at timestamptz,
  last_purged_run uuid,
  last_purged_rows bigint
);

comment on table nightshift.retention_policies is 'One row a table: rows whose marker is older than drop_after may be purged.';
comment on column nightshift.retention_policies.marker_column is
  'A date, timestamp or timestamptz column: when the row was soft-deleted, or any other time it ages by.';
comment on column nightshift.retention_policies.flag_column is 'A boolean column that must be true as well, or null.';
comment on column nightshift.retention_policies.max_fraction is
  'A run that would remove more than this share of the table refuses to start, or to go on. Default 0.5.';

alter table nightshift.retention_policies enable row level security;
revoke all on nightshift.retention_policies from public, anon, authenticated, service_role;

create function nightshift.column_type(relation regclass, column_name name)
returns regtype
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select a.atttypid::regtype
  from pg_catalog.pg_attribute a
  where a.attrelid = column_type.relation
    and a.attname = column_type.column_name
    and a.attnum > 0
    and not a.attisdropped;
end;

comment on function nightshift.column_type is 'The type of a live column, or null when there is no such column.';

create function nightshift.find_relation(name text)
returns regclass
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return to_regclass(name);
exception
  when invalid_name or syntax_error or feature_not_supported then
    return null;
end;
$$;

comment on function nightshift.find_relation is
  'The table of a name as SQL writes it, schema included, or null, also where the name is malformed or names another database.';

create function nightshift.leaf_relations(relation regclass)
returns setof regclass
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select c.oid::regclass
  from pg_catalog.pg_class c
  where c.relkind = 'r'
    and (
      c.oid = leaf_relations.relation
      or c.oid in (select t.relid from pg_catalog.pg_partition_tree(leaf_relations.relation) t where t.isleaf)
    )
  order by c.oid;
end;

comment on function nightshift.leaf_relations is
  'The tables that really hold the rows of a table: itself, or its leaf partitions, by oid.';

create function nightshift.scan_of(relation regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select case c.relkind when 'p' then '' else 'only ' end || scan_of.relation::text
  from pg_catalog.pg_class c
  where c.oid = scan_of.relation;
end;

comment on function nightshift.scan_of is
  'How to name a table after FROM: with its partitions, and without tables that merely inherit from it.';

create function nightshift.due_condition(
  row_alias text,
  relation regclass,
  drop_after interval,
  marker_column name,
  flag_column name,
  as_of timestamptz
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
declare
  -- No caller can make rows due before their time.
  cutoff timestamptz := least(as_of, now()) - drop_after;
  marker_type regtype := nightshift.column_type(relation, marker_column);
  flag_type regtype := nightshift.column_type(relation, flag_column);
  bound text;
begin
  -- A date is a whole UTC day: its rows are due only when the day has ended before the cutoff.
  bound := case marker_type
    when 'timestamptz'::regtype then cutoff::text
    when 'timestamp'::regtype then (cutoff at time zone 'UTC')::text
    when 'date'::regtype then ((cutoff at time zone 'UTC')::date)::text
  end;
  if bound is null then
    raise exception using
      errcode = case when marker_type is null and not exists (select 1 from pg_catalog.pg_class c where c.oid = relation)
        then 'NS404' else 'NS422' end,
      message = case
        when not exists (select 1 from pg_catalog.pg_class c where c.oid = relation)
          then format('The table of a retention policy is gone (oid %s)', relation::oid)
        when marker_type is null then format('%s has no column %I', relation, marker_column)
        when drop_after is null then 'drop_after must not be null'
        else format('Column %I of %s is of type %s, which is not a time', marker_column, relation, marker_type)
      end,
      detail = 'Nothing was deleted.',
      hint = 'marker_column names a column of type date, timestamp or timestamptz. If the table or column was dropped or renamed, call nightshift.remove_retention_policy and declare the policy anew.';
  end if;
  if flag_column is not null and flag_type is distinct from 'boolean'::regtype then
    raise exception using
      errcode = 'NS422',
      message = case
        when flag_type is null then format('%s has no column %I', relation, flag_column)
        else format('Column %I of %s is of type %s, which is not boolean', flag_column, relation, flag_type)
      end,
      detail = 'Nothing was deleted.',
      hint = 'flag_column names a boolean column that is true for soft-deleted rows; leave it out if there is none.';
  end if;
  -- -infinity says "never". As a lower bound it would send the planner to the low end of the index, where the dead
  -- entries of earlier nights are; as an inequality it does not.
  return format('%1$s.%2$I <> %3$L and %1$s.%2$I < %4$L', row_alias, marker_column, '-infinity', bound)
    || case when flag_column is null then '' else format(' and %s.%I', row_alias, flag_column) end;
end;
$$;

comment on function nightshift.due_condition is
  'The SQL condition for a due row, with names quoted and the cutoff, drop_after before as_of or now if that is earlier, in UTC as a literal of the marker''s type. Errors: NS404 when the table is gone, NS422 when marker or flag no longer fit.';

create function nightshift.marker_is_indexed(relation regclass, marker_column name, due text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
  leaf regclass;
  plan jsonb;
begin
  -- The planner is asked whether an index gives the due rows in order: it knows about partial indexes,
  -- leading columns and expressions what a look at pg_index would have to guess.
  for leaf in select l from nightshift.leaf_relations(relation) l loop
    execute format(
      'explain (format json) select r.%1$I from only %2$s r where %3$s order by r.%1$I limit 1',
      marker_column, leaf, due
    ) into plan;
    if jsonb_path_exists(plan, 'strict $.**."Node Type" ? (@ == "Sort" || @ == "Seq Scan")')
      -- Built in this very transaction over rows it has changed, an index is of use only to later ones.
      and not exists (
        select 1
        from pg_catalog.pg_index i
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = leaf and i.indcheckxmin and i.indisvalid and a.attname = marker_column
      )
    then
      return false;
    end if;
  end loop;
  return true;
end;
$$;

comment on function nightshift.marker_is_indexed is
  'Whether, on every leaf, an index returns the due rows in marker order.';

create function nightshift.require_trusted_owner(relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  owner name;
begin
  select pg_catalog.pg_get_userbyid(c.relowner) into owner
  from pg_catalog.pg_class c
  where c.oid = relation
    and c.relowner <> current_user::regrole
    and not pg_has_role(c.relowner, current_user::regrole, 'member');
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%s belongs to %I', relation, owner),
      detail = format('Its triggers and indexes would run with the rights of %I, which are not those of its owner.', current_user),
      hint = format('alter table %s owner to %I;', relation, current_user);
  end if;
end;
$$;

comment on function nightshift.require_trusted_owner is
  'Raises NS422 when a table belongs to someone who could gain rights by having Nightshift run the code of its triggers and indexes.';

create function nightshift.check_retention_policy(policy nightshift.retention_policies, allow_short boolean)
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
  if not has_table_privilege(caller, policy.relation, 'delete') then
    raise exception using
      errcode = 'NS422',
      message = format('%s may not delete rows of %s', caller, policy.relation),
      hint = format('Declare the policy as the owner of the table, or: grant delete on %s to %I;', policy.relation, caller);
  end if;
  perform nightshift.require_trusted_owner(policy.relation);
  perform nightshift.require_trusted_owner(k.referencing)
  from nightshift.leaf_relations(policy.relation) l, nightshift.referencing_keys(l) k;
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
end;
$$;

comment on function nightshift.check_retention_policy is
  'Raises NS404 or NS422, with the fix in the hint, unless the policy can be applied as it is.';

create function nightshift.describe_retention_policy(policy nightshift.retention_policies)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_build_object(
    'relation', policy.relation::text,
    'dropAfter', policy.drop_after::text,
    'markerColumn', policy.marker_column,
    'flagColumn', policy.flag_column,
    'maxFraction', policy.max_fraction,
    'enabled', policy.enabled,
    'lastPurgedAt', policy.last_purged_at,
    'lastPurgedRun', policy.last_purged_run,
    'lastPurgedRows', policy.last_purged_rows
  );
end;

comment on function nightshift.describe_retention_policy is 'The JSON document of a policy.';

create function nightshift.add_retention_policy(
  relation regclass,
  drop_after interval,
  marker_column name default 'deleted_at',
  flag_column name default null,
  max_fraction numeric default 0.5,
  enabled boolean default true,
  allow_short boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.retention_policies;
begin
  policy.relation := add_retention_policy.relation;
  policy.drop_after := add_retention_policy.drop_after;
  policy.marker_column := add_retention_policy.marker_column;
  policy.flag_column := add_retention_policy.flag_column;
  policy.max_fraction := add_retention_policy.max_fraction;
  policy.enabled := coalesce(add_retention_policy.enabled, true);
  policy.created_at := now();
  perform nightshift.check_retention_policy(policy, allow_short);

  insert into nightshift.retention_policies select policy.* on conflict do nothing;
  if not found then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a retention policy already', policy.relation),
      hint = 'Change it with nightshift.alter_retention_policy, or remove it first with nightshift.remove_retention_policy.';
  end if;
  return nightshift.describe_retention_policy(policy)
    || jsonb_build_object('warnings', nightshift.retention_warnings(policy.relation));
end;
$$;

comment on function nightshift.add_retention_policy is
  'Declares that rows of relation may be purged once marker_column is older than drop_after (and flag_column is true, when given). The marker is a date, timestamp (read as UTC) or timestamptz, and needs an index. drop_after: at least 1 day unless allow_short. max_fraction: the largest share of the table one run may remove, default 0.5. Returns the policy and warnings. Errors: NS404, NS422, each with a hint that says the fix.';

create function nightshift.alter_retention_policy(
  relation regclass,
  drop_after interval default null,
  marker_column name default null,
  flag_column name default null,
  max_fraction numeric default null,
  enabled boolean default null,
  allow_short boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.retention_policies;
begin
  select p.* into policy
  from nightshift.retention_policies p
  where p.relation = alter_retention_policy.relation
  for update;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no retention policy', relation),
      hint = 'Declare one with nightshift.add_retention_policy.';
  end if;
  policy.drop_after := coalesce(alter_retention_policy.drop_after, policy.drop_after);
  policy.marker_column := coalesce(alter_retention_policy.marker_column, policy.marker_column);
  policy.flag_column := coalesce(alter_retention_policy.flag_column, policy.flag_column);
  policy.max_fraction := coalesce(alter_retention_policy.max_fraction, policy.max_fraction);
  policy.enabled := coalesce(alter_retention_policy.enabled, policy.enabled);

  -- A policy can always be switched off, whatever has become of its table.
  if policy.enabled then
    perform nightshift.check_retention_policy(policy, allow_short or alter_retention_policy.drop_after is null);
  end if;
  update nightshift.retention_policies p
  set
    drop_after = policy.drop_after,
    marker_column = policy.marker_column,
    flag_column = policy.flag_column,
    max_fraction = policy.max_fraction,
    enabled = policy.enabled
  where p.relation = policy.relation;
  return nightshift.describe_retention_policy(policy)
    || jsonb_build_object('warnings', nightshift.retention_warnings(policy.relation));
end;
$$;

comment on function nightshift.alter_retention_policy is
  'Changes what is given (null leaves a setting as it is) and validates the whole as add_retention_policy does. To drop a flag_column, remove the policy and add it anew. A run under way heeds the change from its next batch on. Returns the policy. Errors: NS404, NS422.';

create function nightshift.remove_retention_policy(relation regclass)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.retention_policies;
begin
  delete from nightshift.retention_policies p
  where p.relation = remove_retention_policy.relation
  returning p.* into policy;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no retention policy', relation),
      hint = 'select nightshift.list_retention_policies() shows what is declared.';
  end if;
  return nightshift.describe_retention_policy(policy);
end;
$$;

comment on function nightshift.remove_retention_policy is
  'Removes the policy; a run under way deletes nothing more of that table. A policy whose table is gone is removed by its oid: remove_retention_policy(12345::oid::regclass). Returns what was removed. Errors: NS404.';
