create or replace function nightshift.require_trusted(relations oid[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  strangers record;
begin
  select string_agg(s.message, ', and ' order by r.position) as messages, (array_agg(s.hint order by r.position))[1] as hint
  into strangers
  from unnest(relations) with ordinality r(oid, position)
  cross join lateral nightshift.find_stranger(r.oid) s
  where s.message is not null;
  if strangers.messages is not null then
    raise exception using
      errcode = 'NS422',
      message = strangers.messages,
      detail = format('What is hung on them would run with the rights of %I, which their owners do not have.', current_user),
      hint = strangers.hint;
  end if;
end;
$$;

comment on function nightshift.require_trusted is
  'Raises NS422 for all of these relations at once with which someone else could have code of theirs run; see find_stranger. What puts a name into a statement asks trusted_name.';
