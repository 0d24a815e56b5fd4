-- A new partition: made apart, with all that it needs, filled from the default partition, then attached.
-- Why: what partitions do not inherit, security above all, is there before a row can be.
-- Locks: those that the caller takes, see lock_for_attach.

create or replace function nightshift.create_partition(
  policy nightshift.partition_policies,
  parent_name text,
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
  partition_name text;
  foreign_keys text;
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

  -- A key that a partition has when it is attached is not checked again, for which Postgres would read a stranger's table with our rights.
  select string_agg(format(', constraint %I %s', k.conname, pg_get_constraintdef(k.oid)), '' order by k.oid) into foreign_keys
  from pg_catalog.pg_constraint k
  cross join lateral nightshift.find_stranger(k.confrelid) s
  where k.conrelid = policy.parent and k.contype = 'f' and s.message is not null;
  -- Without its identity: the rows come through the table, which numbers them. Its indexes and keys come with attach.
  execute format(
    'create table %I.%I (like %s including defaults including constraints including generated including storage
       including compression including statistics including comments%s)%s%s',
    schema, name, parent_name, foreign_keys, ' using ' || quote_ident(parent.amname), ' tablespace ' || quote_ident(parent.spcname)
  );
  partition := format('%I.%I', schema, name)::regclass;
  partition_name := nightshift.trusted_name(partition);
  perform nightshift.require_checked_keys(policy.parent, partition);
  if parent.relowner <> current_user::regrole then
    execute format('alter table %s owner to %s', partition_name, parent.relowner::regrole);
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
      execute format('create temporary table %I (like %s) on commit drop', 'nightshift_stage_' || partition::oid, partition_name);
      stage := format('pg_temp.%I', 'nightshift_stage_' || partition::oid)::regclass;
    end if;
    moved := nightshift.move_rows(default_partition, coalesce(stage, partition), columns, key_column, from_bound, to_bound);
  end if;
  execute format('alter table %s attach partition %s for values from (%s) to (%s)', parent_name, partition_name, from_bound, to_bound);
  warnings := nightshift.copy_after_attach(policy.parent, model, partition);
  if stage is not null then
    triggers := nightshift.mute_triggers(partition);
    execute format('insert into %1$s (%2$s) overriding system value select %2$s from %3$s',
      partition_name, columns, nightshift.trusted_name(stage));
    perform nightshift.unmute_triggers(partition, triggers);
    execute format('drop table %s', nightshift.trusted_name(stage));
  end if;
  return jsonb_build_object('partition', partition::text, 'rows', moved, 'warnings', warnings);
end;
$$;

comment on function nightshift.create_partition is
  'Makes one partition and attaches it: like model, the newest sibling, in all that the table itself does not give it; with the rows of the default partition, if one is given, that belong there. The table is locked by the caller. Returns {partition, rows, warnings}.';
