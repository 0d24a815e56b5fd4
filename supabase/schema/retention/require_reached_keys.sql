create or replace function nightshift.require_reached_keys(policy regclass, strays_before regclass[] default '{}')
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  stray regclass;
begin
  select s into stray from unnest(nightshift.stray_tables(policy)) s where s <> all(strays_before) limit 1;
  if stray is not null then
    raise exception using
      errcode = 'NS422',
      message = format('%s no longer refers to rows that go by the policy of %s, or not as it says', stray, policy),
      hint = 'Give with_children, release and keep together, without the tables that do not belong to it any more; or begin with those, and settle each of their references as hold.';
  end if;
end;
$$;

comment on function nightshift.require_reached_keys is
  'Raises NS422, with the fix in the hint, when a policy speaks of a table (none of strays_before) that refers to none of its rows any more: a child that was taken back may leave others that referred to it.';
