-- New partitions: a table apart that is made like its siblings, filled from the default partition, then attached.
-- Why: made apart and attached, a partition costs its table a lock that neither readers nor writers meet; and what
--      partitions do not inherit, security above all, is there before a row can be.
-- Locks: none on any existing object; at run time SHARE UPDATE EXCLUSIVE on the table, SHARE ROW EXCLUSIVE on tables that
--        its foreign keys refer to; with a default partition ACCESS EXCLUSIVE on both, for as long as rows move.

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
        select 1 from pg_catalog.pg_roles r
        where r.rolname in ('anon', 'authenticated') and pg_has_role(r.oid, a.grantee, 'member')
      )
    group by a.grantee, a.is_grantable
  loop
    execute command;
  end loop;
end;
$$;

comment on function nightshift.copy_grants is
  'Grants on a partition what its table grants, to all but public, anon, authenticated and roles that these are members of: they go through the table.';

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
      ' where ' || pg_get_expr(r.prqual, r.prrelid)
    )
    from pg_catalog.pg_publication_rel r
    join pg_catalog.pg_publication p on p.oid = r.prpubid
    where r.prrelid = model
  loop
    begin
      execute command;
    exception
      when insufficient_privilege then
        -- Room ahead comes first.
        warnings := warnings || to_jsonb(format('It could not be added to a publication of its siblings. Fix, as the owner of the publication: %s;', command));
    end;
  end loop;
  return warnings;
end;
$$;

comment on function nightshift.copy_after_attach is
  'Gives a new partition what only an attached one can have: the replica identity by an index, and the publications that its sibling model is in by itself. Returns warnings, as a JSON array.';

create function nightshift.move_rows(default_partition regclass, partition regclass, key_column name, from_bound text, to_bound text)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  columns text;
  period text := format('d.%1$I >= %2$s and d.%1$I < %3$s', key_column, from_bound, to_bound);
  key record;
  referenced boolean;
  quiet record;
  trigger record;
  moved bigint;
begin
  for key in select k.name, k.join_condition, nightshift.scan_of(k.referencing) as referencing
    from nightshift.referencing_keys(default_partition) k
  loop
    -- To a foreign key a row that moves is a row that is deleted, and its references may be deleted with it.
    execute format('select exists (select from only %s t where exists (select from %s x where %s) and %s)',
      default_partition, key.referencing, key.join_condition, replace(period, 'd.', 't.')) into referenced;
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
  select string_agg(format('%I', a.attname), ', ' order by a.attnum) into columns
  from pg_catalog.pg_attribute a
  where a.attrelid = partition and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';

  set constraints all immediate;
  -- As far as the application is concerned, a row that moves is not deleted: its triggers are none the wiser.
  select array_agg(t.tgname order by t.tgname) as names, array_agg(t.tgenabled order by t.tgname) as states into quiet
  from pg_catalog.pg_trigger t
  where t.tgrelid = default_partition and not t.tgisinternal and t.tgenabled <> 'D';
  for trigger in select * from unnest(quiet.names) t(name) loop
    execute format('alter table %s disable trigger %I', default_partition, trigger.name);
  end loop;
  execute format(
    'with gone as (delete from only %1$s d where %2$s returning %3$s) insert into %4$s (%3$s) select %3$s from gone',
    default_partition, period, columns, partition
  );
  get diagnostics moved = row_count;
  for trigger in select * from unnest(quiet.names, quiet.states) t(name, state) loop
    execute format('alter table %s enable %s trigger %I', default_partition,
      case trigger.state when 'R' then 'replica' when 'A' then 'always' else '' end, trigger.name);
  end loop;
  return moved;
end;
$$;

comment on function nightshift.move_rows is
  'Moves the rows of a period from the default partition to a table that is about to be attached; both locked. Triggers do not fire. Returns how many. Errors: NS422 when a foreign key refers to such rows.';

create function nightshift.create_partition(
  policy nightshift.partition_policies,
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
  key record := nightshift.partition_key(policy.parent);
  schema name;
  partition regclass;
  name name;
  moved bigint := 0;
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
    moved := nightshift.move_rows(default_partition, partition, key.column_name, from_bound, to_bound);
  end if;
  execute format('alter table %s attach partition %s for values from (%s) to (%s)', policy.parent, partition, from_bound, to_bound);
  return jsonb_build_object(
    'partition', partition::text,
    'rows', moved,
    'warnings', nightshift.copy_after_attach(policy.parent, model, partition)
  );
end;
$$;

comment on function nightshift.create_partition is
  'Makes one partition and attaches it: like model, the newest sibling, in all that the table itself does not give it; with the rows of the default partition that belong there. The table is locked by the caller. Returns {partition, rows, warnings}.';

create function nightshift.count_between(policy nightshift.partition_policies, relation regclass, bounds timestamp[])
returns table (lower timestamp, upper timestamp, row_count bigint)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  key record := nightshift.partition_key(policy.parent);
  literals text[] := array(
    select nightshift.bound_of_time(b.at, key.type, policy.epoch) from unnest(bounds) with ordinality b(at, position) order by b.position
  );
begin
  return query execute format(
    'select $1[r.bucket], $1[r.bucket + 1], r.row_count
     from (
       select width_bucket(r.%1$I, array[%2$s]::%3$s[]) as bucket, count(*) as row_count
       from only %4$s r where r.%1$I >= %5$s and r.%1$I < %6$s group by 1
     ) r',
    key.column_name, array_to_string(literals, ', '), key.type, relation, literals[1], literals[cardinality(literals)]
  ) using bounds;
end;
$$;

comment on function nightshift.count_between is
  'How many rows of a table lie from each of the bounds, in the order of time, to the next; without those where there are none.';

create function nightshift.partitions_wanted(policy nightshift.partition_policies, as_of timestamptz)
returns table (piece tsrange, row_count bigint)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  state record;
  counted tsrange[] := '{}';
  counts bigint[] := '{}';
  filled tsmultirange := '{}';
  oldest timestamp;
begin
  select a.* into state from nightshift.assess_partitions(array[policy.parent::oid], as_of) a;
  if state.default_partition is not null and pg_relation_size(state.default_partition) > 0 then
    -- Rows beyond the horizon wait for it to come to them; if a clock was wrong, it never does.
    select array_agg(tsrange(c.lower, c.upper)), array_agg(c.row_count), range_agg(tsrange(c.lower, c.upper))
    into counted, counts, filled
    from nightshift.count_between(policy, state.default_partition, array(
      select s.at
      from generate_series(state.begun - 1000 * policy.every, state.begun + (policy.premake + 1) * policy.every, policy.every) s(at)
    )) c;
  end if;
  -- Once the first of these rows have their partition, what lies between it and the others is a gap.
  oldest := case when lower(filled) is not null
    then greatest(lower(filled), nightshift.interval_start(policy.every, state.cutoff)) end;
  return query
  select tsrange(i.lower, i.upper), c.row_count
  from nightshift.intervals_of(
    policy.every,
    state.missing + coalesce(filled, '{}')
      + case when oldest < state.begun then tsmultirange(tsrange(oldest, state.begun)) else '{}' end
      - state.held - state.detached
  ) i
  cross join lateral (
    select coalesce(sum(c.row_count)::bigint, 0)
    from unnest(counted, counts) c(period, row_count)
    where c.period && tsrange(i.lower, i.upper)
  ) c(row_count)
  where c.row_count > 0 or (i.upper <= state.cutoff) is not true;
end;
$$;

comment on function nightshift.partitions_wanted is
  'The periods of the partitions that a table lacks, those for rows of its default partition included, and how many such rows there are for each: too many where a partition is in the midst of an interval.';

create function nightshift.partitions_to_make(
  policy nightshift.partition_policies,
  default_partition regclass,
  as_of timestamptz,
  max_rows bigint,
  out pieces tsrange[],
  out complete boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  begun timestamp := nightshift.interval_start(policy.every, as_of at time zone 'UTC');
  choice record;
  grain interval;
begin
  -- Room ahead first; then the rows of now, then the others, as many as one transaction may hold everyone up for.
  select
    array_agg(p.piece order by p.piece) filter (where p.row_count = 0) as empty,
    array_agg(p.piece order by p.total) filter (where p.row_count > 0) as filled,
    array_agg(p.piece order by p.total) filter (where p.row_count > 0 and p.total <= max_rows) as few
  into choice
  from (
    select w.piece, w.row_count, sum(w.row_count) over (order by upper(w.piece) <= begun, w.piece) as total
    from nightshift.partitions_wanted(policy, as_of) w
  ) p;
  pieces := coalesce(choice.empty, choice.few, '{}');
  complete := cardinality(pieces) = coalesce(cardinality(choice.empty), 0) + coalesce(cardinality(choice.filled), 0);
  if pieces = '{}' and choice.filled is not null then
    -- Too many for one partition at a time: as much of it as max_rows allows, from an hour (or a day) upwards.
    grain := case when (nightshift.partition_key(policy.parent)).type = 'date'::regtype then '1 day' else '1 hour' end;
    select array[tsrange(lower(choice.filled[1]), coalesce(max(c.upper) filter (where c.total <= max_rows), min(c.upper)))]
    into pieces
    from (
      select n.upper, sum(n.row_count) over (order by n.lower) as total
      from nightshift.count_between(policy, default_partition, array(
        select s.at from generate_series(lower(choice.filled[1]), upper(choice.filled[1]) - grain, grain) s(at)
        union all
        select upper(choice.filled[1])
      )) n
    ) c;
    complete := pieces = choice.filled;
  end if;
end;
$$;

comment on function nightshift.partitions_to_make is
  'The periods of the partitions that one transaction makes: all that are missing or, with rows in a default partition, first those without any, then those with, up to max_rows in all; an interval that holds more than that is made in parts. complete: nothing remains after them.';

create function nightshift.create_missing_partitions(
  parent regclass,
  as_of timestamptz default now(),
  max_rows bigint default 50000
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  policy nightshift.partition_policies;
  default_partition regclass;
  todo record;
  state record;
  piece tsrange;
  bounds record;
  model regclass;
  locked_at timestamptz;
  made jsonb := '[]';
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'NS422',
      message = format('Partitions are made under the isolation level read committed, not %s', current_setting('transaction_isolation')),
      detail = 'Under a fixed snapshot it could not see what appears before the lock.',
      hint = 'Call it outside of a transaction, or begin one with: begin isolation level read committed;';
  end if;
  select p.* into policy from nightshift.partition_policies p
  where p.parent = create_missing_partitions.parent
  for share;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy', parent),
      hint = 'Declare one with nightshift.add_partition_policy.';
  end if;
  perform nightshift.check_partition_policy(policy);
  select nullif(t.partdefid, 0) into default_partition
  from pg_catalog.pg_partitioned_table t where t.partrelid = policy.parent;
  todo := nightshift.partitions_to_make(policy, default_partition, as_of, max_rows);
  if todo.pieces = '{}' then
    return jsonb_build_object('created', made, 'done', todo.complete, 'lockedMs', 0);
  end if;

  -- Who writes or reads must not have looked up the partitions before rows change theirs: it would miss them.
  execute format('lock table only %s in %s mode', policy.parent,
    case when default_partition is null then 'share update exclusive' else 'access exclusive' end);
  locked_at := clock_timestamp();
  if default_partition is not null then
    execute format('lock table only %s in access exclusive mode', default_partition);
  end if;
  select a.* into state from nightshift.assess_partitions(array[policy.parent::oid], as_of) a;
  if state.default_partition is distinct from default_partition::oid then
    raise exception using errcode = '40001', message = 'The default partition changed meanwhile', hint = 'Repeat the call.';
  end if;
  select c.oid::regclass into model
  from pg_catalog.pg_class c
  where c.oid in (state.newest, state.default_partition) and c.relkind = 'r'
  order by c.oid = state.newest desc
  limit 1;

  foreach piece in array todo.pieces loop
    continue when state.held && piece;
    exit when made <> '[]' and clock_timestamp() > locked_at + interval '1 second';
    -- Next to an odd bound the new one is the very same.
    select
      coalesce(max(r.to_bound) filter (where r.upper = lower(piece)), nightshift.bound_of_time(lower(piece), state.key_type, policy.epoch)) as from_bound,
      coalesce(max(r.from_bound) filter (where r.lower = upper(piece)), nightshift.bound_of_time(upper(piece), state.key_type, policy.epoch)) as to_bound
    into bounds
    from nightshift.read_partitions(array[policy.parent::oid]) r;
    made := made || (
      nightshift.create_partition(policy, lower(piece), bounds.from_bound, bounds.to_bound, model, default_partition)
      || jsonb_build_object('from', lower(piece) at time zone 'UTC', 'to', upper(piece) at time zone 'UTC')
    );
  end loop;
  return jsonb_build_object(
    'created', made,
    'done', todo.complete and cardinality(todo.pieces) = jsonb_array_length(made),
    'lockedMs', round(extract(epoch from clock_timestamp() - locked_at) * 1000)
  );
end;
$$;

comment on function nightshift.create_missing_partitions is
  'Makes the partitions of a table that its policy asks for and that are not there: the present interval, premake more, and gaps; and moves rows of a default partition to where they belong, at most about max_rows in one call (default 50,000). Harmless when repeated. For whoever owns the schema nightshift; jobs call create_partitions. Waits for locks as long as lock_timeout says. Returns {created: [{partition, from, to, rows, warnings}], done, lockedMs}; not done: call it again. lockedMs: how long, in ms, the locks were held. Errors: NS404, NS422, 55P03 a lock was not to be had.';

create function nightshift.describe_ddl_failure(state text, message text, hint text, statement text, rows_moved boolean)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_build_object(
    'code', describe_ddl_failure.state,
    -- Of definitions Postgres speaks freely; what fails on rows may quote one.
    'message', case
      when describe_ddl_failure.state ~ '^NS' or describe_ddl_failure.state ~ '^(42|55|0A|2B)' and not describe_ddl_failure.rows_moved
        then describe_ddl_failure.message
      else format('Postgres refused with SQLSTATE %s', describe_ddl_failure.state) end,
    'hint', coalesce(nullif(describe_ddl_failure.hint, ''), format('To see why: %s', describe_ddl_failure.statement))
  );
end;

comment on function nightshift.describe_ddl_failure is 'The JSON document of an error of one table, for a report: {code, message, hint}, without row contents.';

create function nightshift.hold_partition_run(run_id uuid, fence bigint, lock_timeout_ms integer)
returns nightshift.runs
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
begin
  perform nightshift.require_unpaused();
  if run.dry_run then
    raise exception using errcode = 'NS422', message = 'A dry run changes nothing', hint = 'Begin a run without dry_run.';
  end if;
  if lock_timeout_ms is null or lock_timeout_ms not between 1 and 5000 then
    raise exception using
      errcode = 'NS422',
      message = 'lock_timeout_ms must be from 1 to 5000',
      hint = 'It is how long others may queue behind a lock that is not to be had; begin with 100, and repeat.';
  end if;
  perform set_config('lock_timeout', lock_timeout_ms::text, true);
  return run;
end;
$$;

comment on function nightshift.hold_partition_run is
  'What every DDL of a run begins with: the fence, the pause, and how long it may wait for a lock (until the end of the transaction). Errors: NS409, NS422, NS428.';

create function nightshift.create_partitions(
  run_id uuid,
  fence bigint,
  tables text[],
  lock_timeout_ms integer default 100,
  max_rows bigint default 50000
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '1 second';
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  name text;
  answers jsonb := '[]';
  answer jsonb;
  hint text;
begin
  foreach name in array tables loop
    exit when answers <> '[]' and clock_timestamp() > stop_at;
    begin
      if not exists (
        select 1 from nightshift.partition_policies p where p.parent = nightshift.find_relation(name) and p.enabled
      ) then
        raise exception using
          errcode = 'NS404',
          message = format('%s has no partition policy that is switched on', name),
          hint = 'It was removed, switched off or renamed since the run began.';
      end if;
      answer := nightshift.create_missing_partitions(nightshift.find_relation(name), run.started_at, max_rows)
        || '{"outcome": "made"}';
    exception
      when lock_not_available or deadlock_detected or serialization_failure then
        answer := '{"outcome": "busy"}';
      when sqlstate 'NS404' or sqlstate 'NS422' or syntax_error_or_access_rule_violation or object_not_in_prerequisite_state
        or feature_not_supported or integrity_constraint_violation or data_exception or dependent_objects_still_exist
        or program_limit_exceeded or plpgsql_error or invalid_schema_name
      then
        get stacked diagnostics hint = pg_exception_hint;
        answer := jsonb_build_object('outcome', 'failed', 'error', nightshift.describe_ddl_failure(
          sqlstate, sqlerrm, hint, format('select nightshift.create_missing_partitions(%L);', name),
          exists (
            select 1 from pg_catalog.pg_partitioned_table t
            where t.partrelid = nightshift.find_relation(name) and t.partdefid <> 0
          )));
    end;
    answers := answers || (answer || jsonb_build_object('table', name));
  end loop;
  return answers;
end;
$$;

comment on function nightshift.create_partitions is
  'Makes the missing partitions of the tables, in one transaction, for a run: see create_missing_partitions. What happens to one table does not touch the others. Returns one answer a table, [{table, outcome: made, created, done, lockedMs} | {table, outcome: busy} | {table, outcome: failed, error}], for as many tables as a second allows; the rest: call again. lock_timeout_ms: how long it waits for each lock, 1 to 5000, default 100. statement_timeout 8 s. Tables with foreign keys, or with a default partition, one at a time: their locks are felt. Errors: NS409 lease lost, NS422, NS428 paused.';

revoke all on function
  nightshift.free_partition_name, nightshift.copy_grants, nightshift.copy_settings, nightshift.copy_after_attach,
  nightshift.move_rows, nightshift.create_partition, nightshift.count_between, nightshift.partitions_wanted, nightshift.partitions_to_make,
  nightshift.create_missing_partitions, nightshift.describe_ddl_failure, nightshift.hold_partition_run,
  nightshift.create_partitions
from public, anon, authenticated;
grant execute on function nightshift.create_partitions to service_role;
