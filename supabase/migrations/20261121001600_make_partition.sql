-- A new partition: made apart, with all that it needs, filled from the default partition, then attached.
-- Why: what partitions do not inherit, security above all, is there before a row can be.
-- Locks: none on any existing object; at run time those that the caller takes, see lock_for_attach.

create function nightshift.free_partition_name(parent regclass, schema name, suffix text)
returns name
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  base text;
  ending text := '_' || suffix;
  attempt integer := 1;
begin
  loop
    select c.relname into base from pg_catalog.pg_class c where c.oid = parent;
    while octet_length(base) + octet_length(ending) > 63 loop
      base := left(base, -1);
    end loop;
    exit when not exists (
      select 1
      from pg_catalog.pg_namespace n
      where n.nspname = schema
        and (
          exists (select 1 from pg_catalog.pg_class c where c.relnamespace = n.oid and c.relname = base || ending)
          or exists (select 1 from pg_catalog.pg_type t where t.typnamespace = n.oid and t.typname = base || ending)
        )
    );
    attempt := attempt + 1;
    ending := format('_%s_%s', suffix, attempt);
  end loop;
  return base || ending;
end;
$$;

comment on function nightshift.free_partition_name is
  'The name of a new partition: that of its table, cut to fit into 63 bytes, an underscore, the suffix; with _2, _3 and so on when it is taken.';

create function nightshift.copy_grants(parent regclass, partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  command text;
begin
  for command in
    -- What default privileges gave goes first.
    select format('revoke all on %s from %s', partition, case a.grantee when 0 then 'public' else a.grantee::regrole::text end)
    from pg_catalog.pg_class c
    cross join lateral aclexplode(c.relacl) a
    where c.oid = partition and a.grantee <> c.relowner
    group by a.grantee
    union all
    select format('grant %s on %s to %s%s', string_agg(a.privilege_type, ', '), partition, a.grantee::regrole,
      case when a.is_grantable then ' with grant option' else '' end)
    from pg_catalog.pg_class c
    cross join lateral aclexplode(c.relacl) a
    where c.oid = parent
      and a.grantee not in (0, c.relowner)
      and not exists (
        select 1 from nightshift.api_roles() r(oid) where pg_has_role(r.oid, a.grantee, 'member')
      )
    group by a.grantee, a.is_grantable
  loop
    execute command;
  end loop;
end;
$$;

comment on function nightshift.copy_grants is
  'Grants on a partition what its table grants, to all but public, the roles of the API and those that they are members of: they go through the table.';

create function nightshift.copy_settings(parent regclass, model regclass, partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  command text;
begin
  for command in
    select format('alter table %s alter column %I set statistics %s', partition, a.attname, a.attstattarget)
    from pg_catalog.pg_attribute a
    where a.attrelid = coalesce(model, parent) and a.attnum > 0 and not a.attisdropped and a.attstattarget >= 0
    union all
    select format('alter table %s alter column %I set (%s)', partition, a.attname, array_to_string(a.attoptions, ', '))
    from pg_catalog.pg_attribute a
    where a.attrelid = coalesce(model, parent) and a.attnum > 0 and not a.attisdropped and a.attoptions is not null
    union all
    select format('alter table %s replica identity %s', partition, case c.relreplident when 'f' then 'full' else 'nothing' end)
    from pg_catalog.pg_class c
    where c.oid = coalesce(model, parent) and c.relreplident in ('f', 'n')
    union all
    select format('alter table %s set (%s)', partition, string_agg(o.option, ', '))
    from (
      select unnest(c.reloptions) from pg_catalog.pg_class c where c.oid = model
      union all
      select 'toast.' || unnest(t.reloptions)
      from pg_catalog.pg_class c
      join pg_catalog.pg_class t on t.oid = c.reltoastrelid
      where c.oid = model
    ) o(option)
    having count(*) > 0
    union all
    select format('alter table %s enable row level security', partition)
    from pg_catalog.pg_class c
    where c.oid in (parent, model) and c.relrowsecurity
    union
    select format('alter table %s force row level security', partition)
    from pg_catalog.pg_class c
    where c.oid = parent and c.relforcerowsecurity
  loop
    execute command;
  end loop;
end;
$$;

comment on function nightshift.copy_settings is
  'Gives a new partition what it has from neither its table nor LIKE: statistics targets, column and storage options and replica identity of model, the newest of its siblings (or of the table where there is none), and row level security where the table or model has it. It gets no policies: who is to see rows goes through the table, whose policies count.';

create function nightshift.copy_after_attach(parent regclass, model regclass, partition regclass)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  command text;
  warnings jsonb := '[]';
begin
  -- The index that stands for the one of model exists only now.
  select format('alter table %s replica identity using index %I', partition, own.relname) into command
  from pg_catalog.pg_index x
  left join pg_catalog.pg_inherits up on up.inhrelid = x.indexrelid
  join pg_catalog.pg_inherits down on down.inhparent = coalesce(up.inhparent, x.indexrelid)
  join pg_catalog.pg_index i on i.indexrelid = down.inhrelid and i.indrelid = partition
  join pg_catalog.pg_class own on own.oid = i.indexrelid
  join pg_catalog.pg_class c on c.oid = x.indrelid and c.relreplident = 'i'
  where x.indrelid = coalesce(model, parent) and x.indisreplident;
  if found then
    execute command;
  end if;

  for command in
    select format('alter publication %I add table only %s%s%s', p.pubname, partition,
      (
        select format(' (%s)', string_agg(format('%I', a.attname), ', '))
        from unnest(r.prattrs::smallint[]) n(attnum)
        join pg_catalog.pg_attribute a on a.attrelid = r.prrelid and a.attnum = n.attnum
        having count(*) > 0
      ),
      ' where (' || pg_get_expr(r.prqual, r.prrelid) || ')'
    )
    from pg_catalog.pg_publication_rel r
    join pg_catalog.pg_publication p on p.oid = r.prpubid
    where r.prrelid = model
  loop
    begin
      execute command;
    exception
      -- Room ahead comes first.
      when syntax_error_or_access_rule_violation or object_not_in_prerequisite_state or feature_not_supported or invalid_parameter_value then
        warnings := warnings || to_jsonb(format('It could not be added to a publication of its siblings. Fix, as the owner of the publication: %s;', command));
    end;
  end loop;
  return warnings;
end;
$$;

comment on function nightshift.copy_after_attach is
  'Gives a new partition what only an attached one can have: the replica identity by an index, and the publications that its sibling model is in by itself. Returns warnings, as a JSON array.';

create function nightshift.is_published(relation regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  with tree(relid) as (
    select is_published.relation
    union
    select a.relid from pg_catalog.pg_partition_ancestors(is_published.relation) a(relid)
  )
  select exists (select 1 from pg_catalog.pg_publication p where p.puballtables)
    or exists (select 1 from pg_catalog.pg_publication_rel r where r.prrelid in (select t.relid from tree t))
    or exists (
      select 1 from pg_catalog.pg_publication_namespace n
      join pg_catalog.pg_class c on c.relnamespace = n.pnnspid
      where c.oid in (select t.relid from tree t)
    );
end;

comment on function nightshift.is_published is 'Whether a publication sends the changes of a table, by itself or through its parents.';

create function nightshift.mute_triggers(relation regclass)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  trigger record;
  states jsonb := '{}';
begin
  for trigger in
    select t.tgname, t.tgenabled from pg_catalog.pg_trigger t
    where t.tgrelid = relation and not t.tgisinternal and t.tgenabled <> 'D'
  loop
    execute format('alter table %s disable trigger %I', relation, trigger.tgname);
    states := states || jsonb_build_object(trigger.tgname, trigger.tgenabled);
  end loop;
  return states;
end;
$$;

comment on function nightshift.mute_triggers is
  'Disables the triggers of a table, but for those of foreign keys, and returns them with their states, for unmute_triggers.';

create function nightshift.unmute_triggers(relation regclass, states jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  trigger record;
begin
  for trigger in select * from jsonb_each_text(states) t(name, state) loop
    execute format('alter table %s enable %s trigger %I', relation,
      case trigger.state when 'R' then 'replica' when 'A' then 'always' else '' end, trigger.name);
  end loop;
end;
$$;

comment on function nightshift.unmute_triggers is 'Enables triggers again, each as it was.';

create function nightshift.move_rows(
  default_partition regclass,
  target regclass,
  columns text,
  key_column name,
  from_bound text,
  to_bound text
)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  period text := format('r.%1$I >= %2$s and r.%1$I < %3$s', key_column, from_bound, to_bound);
  key record;
  referenced boolean;
  triggers jsonb;
  moved bigint;
begin
  for key in select k.name, k.join_condition, nightshift.scan_of(k.referencing) as referencing
    from nightshift.referencing_keys(default_partition) k
  loop
    -- To a foreign key a row that moves is a row that is deleted, and its references may be deleted with it.
    execute format(
      'select exists (select from (select * from only %s r where %s) t where exists (select from %s x where %s))',
      default_partition, period, key.referencing, key.join_condition
    ) into referenced;
    if referenced then
      raise exception using
        errcode = 'NS422',
        message = format('Rows of %s are referred to by foreign key %s, so they cannot move', default_partition, key.name),
        detail = 'Nothing was moved.',
        hint = 'Drop the foreign key, let Nightshift move the rows, and create it again as not valid; then validate it.';
    end if;
  end loop;
  if exists (select 1 from pg_catalog.pg_rewrite w where w.ev_class = default_partition) then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a rule, through which no row may move', default_partition),
      hint = 'Drop the rule, or move the rows by hand.';
  end if;
  set constraints all immediate;
  -- As far as the application is concerned, a row that moves is not deleted: its triggers are none the wiser.
  triggers := nightshift.mute_triggers(default_partition);
  execute format(
    'with gone as (delete from only %1$s r where %2$s returning %3$s) insert into %4$s (%3$s) select %3$s from gone',
    default_partition, period, columns, target
  );
  get diagnostics moved = row_count;
  perform nightshift.unmute_triggers(default_partition, triggers);
  return moved;
end;
$$;

comment on function nightshift.move_rows is
  'Moves the rows of a period from the default partition, which is locked, to a table that nobody else can see yet. Triggers do not fire. Returns how many. Errors: NS422 when a foreign key refers to such rows.';

create function nightshift.create_partition(
  policy nightshift.partition_policies,
  key_column name,
  lower timestamp,
  from_bound text,
  to_bound text,
  model regclass,
  default_partition regclass
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  parent record;
  schema name;
  partition regclass;
  name name;
  moved bigint := 0;
  stage regclass;
  columns text;
  triggers jsonb;
  warnings jsonb;
begin
  select c.relowner, n.nspname, m.amname, t.spcname into parent
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_class s on s.oid = model
  left join pg_catalog.pg_am m on m.oid = coalesce(nullif(c.relam, 0), s.relam)
  left join pg_catalog.pg_tablespace t on t.oid = c.reltablespace
  where c.oid = policy.parent;
  schema := coalesce(policy.partition_schema, parent.nspname);
  name := nightshift.free_partition_name(policy.parent, schema, nightshift.partition_suffix(policy.every, lower));

  -- Without its identity: the rows come through the table, which numbers them. Its indexes and keys come with attach.
  execute format(
    'create table %I.%I (like %s including defaults including constraints including generated including storage
       including compression including statistics including comments)%s%s',
    schema, name, policy.parent, ' using ' || quote_ident(parent.amname), ' tablespace ' || quote_ident(parent.spcname)
  );
  partition := format('%I.%I', schema, name)::regclass;
  if parent.relowner <> current_user::regrole then
    execute format('alter table %s owner to %s', partition, parent.relowner::regrole);
  end if;
  perform nightshift.copy_grants(policy.parent, partition);
  perform nightshift.copy_settings(policy.parent, model, partition);
  if default_partition is not null then
    select string_agg(format('%I', a.attname), ', ' order by a.attnum) into columns
    from pg_catalog.pg_attribute a
    where a.attrelid = partition and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';
    -- A publication sends what leaves the default partition, but what enters a table that is no partition yet it does not
    -- send, or under a name that the subscriber does not know: the subscriber would lose the rows.
    if nightshift.is_published(default_partition) then
      execute format('create temporary table %I (like %s) on commit drop', 'nightshift_stage_' || partition::oid, partition);
      stage := format('pg_temp.%I', 'nightshift_stage_' || partition::oid)::regclass;
    end if;
    moved := nightshift.move_rows(default_partition, coalesce(stage, partition), columns, key_column, from_bound, to_bound);
  end if;
  execute format('alter table %s attach partition %s for values from (%s) to (%s)', policy.parent, partition, from_bound, to_bound);
  warnings := nightshift.copy_after_attach(policy.parent, model, partition);
  if stage is not null then
    triggers := nightshift.mute_triggers(partition);
    execute format('insert into %1$s (%2$s) overriding system value select %2$s from %3$s', partition, columns, stage);
    perform nightshift.unmute_triggers(partition, triggers);
    execute format('drop table %s', stage);
  end if;
  return jsonb_build_object('partition', partition::text, 'rows', moved, 'warnings', warnings);
end;
$$;

comment on function nightshift.create_partition is
  'Makes one partition and attaches it: like model, the newest sibling, in all that the table itself does not give it; with the rows of the default partition that belong there. The table is locked by the caller. Returns {partition, rows, warnings}.';

revoke all on function
  nightshift.free_partition_name, nightshift.copy_grants, nightshift.copy_settings, nightshift.copy_after_attach,
  nightshift.is_published, nightshift.mute_triggers, nightshift.unmute_triggers, nightshift.move_rows, nightshift.create_partition
from public, anon, authenticated;
