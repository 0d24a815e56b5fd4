-- The one way to a name of a relation of the application that is put into a statement.
-- A purge asks in each batch, so what most tables are like is seen at once, and the rest is left to find_stranger.

create or replace function nightshift.trusted_name(relation regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  own_role constant oid := current_user::regrole;
  member oid := relation;
  looked_at record;
  schema_owner oid;
  name text;
  kind "char";
  is_own boolean;
  stranger record;
begin
  loop
    select c.relkind, c.relispartition, c.relhastriggers, n.nspowner, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name,
      pg_has_role(c.relowner, own_role, 'usage') as is_own
    into looked_at
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = member;
    if not found then
      raise exception using
        errcode = 'NS404',
        message = format('The table %s is gone', relation),
        hint = 'It was dropped just now. Repeat the call.';
    end if;
    name := coalesce(name, looked_at.name);
    kind := coalesce(kind, looked_at.relkind);
    schema_owner := looked_at.nspowner;
    if schema_owner = 'pg_database_owner'::regrole then
      -- The schema public belongs to whoever owns the database.
      select d.datdba into schema_owner from pg_catalog.pg_database d where d.datname = current_database();
    end if;
    is_own := looked_at.is_own and pg_has_role(schema_owner, own_role, 'usage');
    if is_own and looked_at.relhastriggers then
      is_own := not exists (
        select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = member and not t.tgisinternal
          and (t.tgqual is not null or not pg_has_role(p.proowner, own_role, 'usage'))
      );
    end if;
    exit when not (looked_at.relispartition and is_own);
    select i.inhparent into member from pg_catalog.pg_inherits i where i.inhrelid = member;
  end loop;
  if is_own and kind <> 'p' then
    return name;
  end if;

  select s.* into stranger from nightshift.find_stranger(relation) s;
  if stranger.message is not null then
    raise exception using
      errcode = 'NS422',
      message = stranger.message,
      detail = format('What is hung on it would run with the rights of %I, which that role does not have.', current_user),
      hint = stranger.hint;
  end if;
  return name;
end;
$$;

comment on function nightshift.trusted_name is
  'The name of a relation, with its schema and quoted, for a statement that Nightshift makes. Raises NS422 when someone else could have code of theirs run by it (see find_stranger): no statement names a relation of the application in any other way. Errors: NS404 it is gone.';
