create or replace function nightshift.copy_after_attach(parent regclass, model regclass, partition regclass)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  partition_name constant text := nightshift.trusted_name(partition);
  command text;
  warnings jsonb := '[]';
begin
  -- The index that stands for the one of model exists only now.
  select format('alter table %s replica identity using index %I', partition_name, own.relname) into command
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
    select format('alter publication %I add table only %s%s%s', p.pubname, partition_name,
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
