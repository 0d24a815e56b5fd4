create or replace function nightshift.move_rows(
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
  source constant text := nightshift.trusted_name(default_partition);
  period text := format('r.%1$I >= %2$s and r.%1$I < %3$s', key_column, from_bound, to_bound);
  key record;
  referenced boolean;
  triggers jsonb;
  moved bigint;
begin
  for key in select k.key, k.name, k.referencing from nightshift.referencing_keys(array[default_partition::oid]) k loop
    -- To a foreign key a row that moves is a row that is deleted, and its references may be deleted with it.
    execute format(
      'select exists (select from (select * from only %s r where %s) t where exists (select from %s x where %s))',
      source, period, nightshift.scan_of(key.referencing), nightshift.join_condition(key.key)
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
    source, period, columns, nightshift.trusted_name(target)
  );
  get diagnostics moved = row_count;
  perform nightshift.unmute_triggers(default_partition, triggers);
  return moved;
end;
$$;

comment on function nightshift.move_rows is
  'Moves the rows of a period from the default partition, which is locked, to a table that nobody else can see yet. Triggers do not fire. Returns how many. Errors: NS422 when a foreign key refers to such rows.';
