create or replace function nightshift.read_key_entry(entry text, out named regclass, out columns text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  named := nightshift.find_relation(entry);
  if named is null then
    -- As in public.messages(sender_id): the columns of one key of several.
    named := nightshift.find_relation(substring(entry from '^(.*)\(.*\)\s*$'));
    columns := btrim(regexp_replace(substring(entry from '\(([^()]*)\)\s*$'), '\s*,\s*', ', ', 'g'));
  end if;
end;
$$;

comment on function nightshift.read_key_entry is
  'What an entry of with_children, release, keep or cascade names: the table that refers, null where there is none, and the columns of the key as key_columns writes them, null where they are left out.';
