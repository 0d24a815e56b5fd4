create or replace function nightshift.hint_for_owner(owner oid, otherwise text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when pg_has_role(current_user, hint_for_owner.owner, 'member') then format(
      'select nightshift.hand_over(%L); /* the functions then have the rights of %I, and nobody loses any */',
      pg_get_userbyid(hint_for_owner.owner), hint_for_owner.owner::regrole)
    else hint_for_owner.otherwise
  end;
$$;

comment on function nightshift.hint_for_owner is
  'What lets Nightshift touch what another role owns. A role that the owner of the functions is a member of can own them in its place: so they gain nothing, and its application goes on as before. otherwise: what is said of any other role.';
