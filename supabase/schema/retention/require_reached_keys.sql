create or replace function nightshift.require_reached_keys(policy regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  stray record;
begin
  select k.referencing into stray
  from nightshift.retention_keys k
  where k.policy = require_reached_keys.policy
    and not exists (
      select from nightshift.purge_keys(array[require_reached_keys.policy::oid]) p
      where p.referencing = k.referencing and p.role = k.role
    )
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%s no longer refers to rows that go by the policy of %s, or not as it says', stray.referencing, policy),
      hint = 'Give with_children, release and keep together, without the tables that do not belong to it any more; or begin with those, and settle each of their references as hold.';
  end if;
end;
$$;

comment on function nightshift.require_reached_keys is
  'Raises NS422, with the fix in the hint, when a policy speaks of a table that refers to none of its rows any more: a child that was taken back may leave others that referred to it.';
