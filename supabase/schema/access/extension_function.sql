create or replace function nightshift.extension_function(extension name, function_name name, arguments text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  own_role constant oid := current_user::regrole;
  found_function record;
begin
  -- By the extension, and not by the name: a function of that name may be anybody's.
  select quote_ident(n.nspname) || '.' || quote_ident(p.proname) as name, n.nspname, p.proowner,
    case n.nspowner when 'pg_database_owner'::regrole
      then (select d.datdba from pg_catalog.pg_database d where d.datname = current_database()) else n.nspowner end as schema_owner
  into found_function
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where p.proname = extension_function.function_name and oidvectortypes(p.proargtypes) = extension_function.arguments
    and exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
        and d.refclassid = 'pg_catalog.pg_extension'::regclass
        and d.refobjid = (select e.oid from pg_catalog.pg_extension e where e.extname = extension)
    );
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('The extension %I is not there', extension),
      detail = 'Nothing was changed.',
      hint = format('create extension %I%s;', extension, case extension when 'pgcrypto' then ' with schema extensions' end);
  end if;
  if not pg_has_role(found_function.schema_owner, own_role, 'usage') or not pg_has_role(found_function.proowner, own_role, 'usage') then
    raise exception using
      errcode = 'NS422',
      message = format('The extension %I is in the schema %I, which belongs to %I', extension, found_function.nspname, found_function.schema_owner::regrole),
      detail = format('Who owns the schema can put a function of their own in its place, which would run with the rights of %I.', current_user),
      hint = case extension when 'pgcrypto' then 'alter extension pgcrypto set schema extensions;'
        else format('alter schema %I owner to %I;', found_function.nspname, current_user) end;
  end if;
  return found_function.name;
end;
$$;

comment on function nightshift.extension_function is
  'The name of a function of an extension, with its schema, for a statement that Nightshift makes. With arguments of just these types, like ''text, text'', no other is a better match. Errors: NS404 the extension is not there, NS422 somebody else could have put another in its place.';
