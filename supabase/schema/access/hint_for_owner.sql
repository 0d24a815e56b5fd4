create or replace function nightshift.hint_for_owner(relation regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when pg_has_role(current_user, c.relowner, 'member') then format(
      'select nightshift.hand_over(%L); /* the functions then have the rights of %I, and nobody loses any */',
      pg_get_userbyid(c.relowner), c.relowner::regrole)
    else format(
      'alter table %s owner to %I; grant all on %s to %I;', c.oid::regclass, current_user, c.oid::regclass, c.relowner::regrole)
  end
  from pg_catalog.pg_class c
  where c.oid = hint_for_owner.relation;
$$;

comment on function nightshift.hint_for_owner is
  'What lets Nightshift touch a table of another owner. A role that the owner of the functions is a member of can own them in its place: so they gain nothing, and its application goes on as before.';
