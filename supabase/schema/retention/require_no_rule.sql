-- A rule turns one statement into others, which have our rights: what these change is neither looked at, nor locked, nor counted.

create or replace function nightshift.require_no_rule(relations oid[], event text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  found_rule record;
begin
  select w.ev_class::regclass as relation, w.rulename, w.is_instead into found_rule
  from unnest(relations) r(oid)
  -- One by one, by the index: views are rules too, and a database has many.
  cross join lateral (select w.* from pg_catalog.pg_rewrite w where w.ev_class = r.oid offset 0) w
  where w.ev_type = case event when 'UPDATE' then '2' when 'DELETE' then '4' end
  order by r.oid, w.rulename
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a rule on %s: %I', found_rule.relation, event, found_rule.rulename),
      detail = case when found_rule.is_instead then format('It does something else instead of the %s.', event)
        else format('It does something beside the %s, to rows that nobody has looked at, locked or counted.', event) end,
      hint = format('drop rule %I on %s; a trigger can do what it is for, row by row.', found_rule.rulename, found_rule.relation);
  end if;
end;
$$;

comment on function nightshift.require_no_rule is
  'Raises NS422, with the fix in the hint, when one of these tables has a rule for an event (UPDATE or DELETE).';
