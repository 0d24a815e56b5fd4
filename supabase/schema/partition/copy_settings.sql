create or replace function nightshift.copy_settings(parent regclass, model regclass, partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  partition_name constant text := nightshift.trusted_name(partition);
  command text;
begin
  for command in
    select format('alter table %s alter column %I set statistics %s', partition_name, a.attname, a.attstattarget)
    from pg_catalog.pg_attribute a
    where a.attrelid = coalesce(model, parent) and a.attnum > 0 and not a.attisdropped and a.attstattarget >= 0
    union all
    select format('alter table %s alter column %I set (%s)', partition_name, a.attname, array_to_string(a.attoptions, ', '))
    from pg_catalog.pg_attribute a
    where a.attrelid = coalesce(model, parent) and a.attnum > 0 and not a.attisdropped and a.attoptions is not null
    union all
    select format('alter table %s replica identity %s', partition_name, case c.relreplident when 'f' then 'full' else 'nothing' end)
    from pg_catalog.pg_class c
    where c.oid = coalesce(model, parent) and c.relreplident in ('f', 'n')
    union all
    select format('alter table %s set (%s)', partition_name, string_agg(o.option, ', '))
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
    select format('alter table %s enable row level security', partition_name)
    from pg_catalog.pg_class c
    where c.oid in (parent, model) and c.relrowsecurity
    union
    select format('alter table %s force row level security', partition_name)
    from pg_catalog.pg_class c
    where c.oid = parent and c.relforcerowsecurity
  loop
    execute command;
  end loop;
end;
$$;

comment on function nightshift.copy_settings is
  'Gives a new partition what it has from neither its table nor LIKE: statistics targets, column and storage options and replica identity of model, the newest of its siblings (or of the table where there is none), and row level security where the table or model has it. It gets no policies: who is to see rows goes through the table, whose policies count.';
