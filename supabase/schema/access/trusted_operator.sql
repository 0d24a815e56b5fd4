create or replace function nightshift.trusted_operator(operator oid, out name text, out cast_left text, out cast_right text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  own_role constant oid := current_user::regrole;
  schema_name name;
  schema_owner oid;
begin
  select format('operator(%I.%s)', n.nspname, o.oprname), n.nspname, n.nspowner,
    case l.typtype when 'p' then '' else format('::%I.%I', ln.nspname, l.typname) end,
    case r.typtype when 'p' then '' else format('::%I.%I', rn.nspname, r.typname) end
  into name, schema_name, schema_owner, cast_left, cast_right
  from pg_catalog.pg_operator o
  join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
  join pg_catalog.pg_type l on l.oid = o.oprleft
  join pg_catalog.pg_namespace ln on ln.oid = l.typnamespace
  join pg_catalog.pg_type r on r.oid = o.oprright
  join pg_catalog.pg_namespace rn on rn.oid = r.typnamespace
  where o.oid = operator;
  if schema_owner = 'pg_database_owner'::regrole then
    select d.datdba into schema_owner from pg_catalog.pg_database d where d.datname = current_database();
  end if;
  if not pg_has_role(schema_owner, own_role, 'usage') then
    raise exception using
      errcode = 'NS422',
      message = format('The operator %s is in the schema %I, which belongs to %I', operator::regoperator, schema_name, schema_owner::regrole),
      detail = format('Who owns the schema can put an operator of their own in its place, which would run with the rights of %I.', current_user),
      hint = format('alter schema %I owner to %I;', schema_name, current_user);
  end if;
end;
$$;

comment on function nightshift.trusted_operator is
  'An operator by its oid, for a statement that Nightshift makes: its name with its schema, and the casts that its operands need to be of its own types (empty where it takes any), so that no other operator of its name is a better match. Errors: NS422 when its schema belongs to someone else.';
