create or replace function nightshift.require_trusted_owners(relations oid[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  strangers oid[];
begin
  select array_agg(c.oid order by array_position(relations, c.oid)) into strangers
  from pg_catalog.pg_class c
  where c.oid = any(relations)
    and c.relowner <> current_user::regrole
    and not pg_has_role(c.relowner, current_user::regrole, 'member');
  if strangers is not null then
    raise exception using
      errcode = 'NS422',
      message = (
        select string_agg(format('%s %s to %I', nightshift.name_some(o.tables), case when cardinality(o.tables) > 1 then 'belong' else 'belongs' end,
          o.relowner::regrole), ', and ' order by o.relowner::regrole::text)
        from (
          select c.relowner, array_agg(c.oid order by array_position(strangers, c.oid)) as tables
          from pg_catalog.pg_class c where c.oid = any(strangers) group by c.relowner
        ) o
      ),
      detail = format('Triggers and indexes of theirs would run with the rights of %I, which are not those of their owner.', current_user),
      hint = nightshift.hint_for_owner(strangers[1]);
  end if;
end;
$$;

comment on function nightshift.require_trusted_owners is
  'Raises NS422, naming all of them, when tables belong to someone who could gain rights by having Nightshift run the code of their triggers and indexes.';
