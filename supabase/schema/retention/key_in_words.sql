create or replace function nightshift.key_in_words(key oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select format('%s(%s)', c.conrelid::regclass, nightshift.key_columns(c.oid))
    from pg_catalog.pg_constraint c
    where c.oid = key_in_words.key
  );
end;
$$;

comment on function nightshift.key_in_words is 'A foreign key as with_children, release and keep name it: public.messages(sender_id).';
