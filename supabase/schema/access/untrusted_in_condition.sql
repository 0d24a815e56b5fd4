create or replace function nightshift.untrusted_in_condition(trigger oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  own_role constant oid := current_user::regrole;
  tree constant text := (select t.tgqual::text from pg_catalog.pg_trigger t where t.oid = untrusted_in_condition.trigger);
  used text;
begin
  -- Who has made a trigger stands nowhere, so a condition counts as made by anyone: what it calls must be of someone who is trusted, and
  -- must not be able to run what it is given.
  select case when r.is_own then format('%s, which may run any code that it is given', f.function::regprocedure)
    else format('%s, which belongs to %I', f.function::regprocedure, p.proowner::regrole) end
  into used
  from nightshift.called_functions(tree) f
  join pg_catalog.pg_proc p on p.oid = f.function
  cross join lateral (select pg_has_role(p.proowner, own_role, 'usage')) r(is_own)
  where not (r.is_own and case
    when p.pronamespace = 'pg_catalog'::regnamespace
      then p.proname = 'pg_trigger_depth' or p.provolatile <> 'v' and p.proname !~ '_to_xml'
    else p.provolatile <> 'v' or p.pronargs = 0
  end)
  limit 1;
  if found then
    return used;
  end if;
  -- Types above all: a domain has checks, and casts are looked up by the type.
  select format('%s, which belongs to %I', pg_describe_object(d.refclassid, d.refobjid, 0), o.owner::regrole) into used
  from pg_catalog.pg_trigger t
  join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_trigger'::regclass and d.objid = t.oid and d.refobjid <> t.tgfoid
  cross join lateral (
    select coalesce(
      (select y.typowner from pg_catalog.pg_type y where d.refclassid = 'pg_catalog.pg_type'::regclass and y.oid = d.refobjid),
      (
        select s.refobjid from pg_catalog.pg_shdepend s
        where s.dbid = (select b.oid from pg_catalog.pg_database b where b.datname = current_database())
          and s.classid = d.refclassid and s.objid = d.refobjid and s.objsubid = 0 and s.deptype = 'o'
      )
    )
  ) o(owner)
  where t.oid = untrusted_in_condition.trigger and not pg_has_role(o.owner, own_role, 'usage')
  limit 1;
  return used;
end;
$$;

comment on function nightshift.untrusted_in_condition is
  'What in the WHEN of a trigger could be code of someone without the rights of the owner of these functions, in words; null for nothing.';
