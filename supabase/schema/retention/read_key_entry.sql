create or replace function nightshift.read_key_entry(entry text, out named regclass, out columns text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- As in public.messages(sender_id): the columns of one key of several. What stands in quotes may look like SQL itself.
  parts constant text[] := regexp_match(entry, '^((?:[^"(]|"(?:[^"]|"")*")+)\((.*)\)\s*$');
begin
  named := nightshift.find_relation(coalesce(parts[1], entry));
  columns := array_to_string(nightshift.listed_names(parts[2]), ', ');
end;
$$;

comment on function nightshift.read_key_entry is
  'What an entry of with_children, release, keep or cascade names: the table that refers, null where there is none, and the columns of the key as key_columns writes them, null where they are left out.';
