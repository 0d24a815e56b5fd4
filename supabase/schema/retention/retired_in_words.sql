create or replace function nightshift.retired_in_words(relation oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
begin
  return (
    select coalesce((
      select case when r.drop_after is null then ' (a retired partition, kept until someone drops it)'
        else format(' (a retired partition, to be dropped after %s)', to_char(r.drop_after, 'YYYY-MM-DD')) end
      from nightshift.retired_partitions r
      where r.partition = retired_in_words.relation and r.status = 'detached'
      order by r.id desc
      limit 1
    ), '')
  );
end;
$$;

comment on function nightshift.retired_in_words is
  'What to say after the name of a table that is a retired partition: until when it is there, and holds what its rows refer to. Empty for any other.';
