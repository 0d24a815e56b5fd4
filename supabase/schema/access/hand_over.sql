-- Whose rights the functions have, once they were installed by another role than the one that owns the application's tables.
-- Why: a purge runs the triggers and index expressions of a table with the rights of the owner of the functions. Where that
--      is a role above the owner of the table, as postgres is above the role that Supabase's guide makes for Prisma, the table's
--      owner would gain what the role above it may do. Owned by the lower role, the functions run both with its rights.
-- Locks: ACCESS EXCLUSIVE on each table of Nightshift until the end of the transaction.

create or replace function nightshift.hand_over(owner name)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  database constant name := current_database();
  may_create boolean;
begin
  if not exists (select from pg_catalog.pg_roles r where r.rolname = owner) then
    raise exception using
      errcode = 'NS404',
      message = format('There is no role %I', owner),
      hint = 'Name the role that owns the tables of the application: select distinct tableowner from pg_tables;';
  end if;
  -- To be a member was enough until Postgres 16.
  if not pg_has_role(owner, case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end) then
    raise exception using
      errcode = 'NS422',
      message = format('%I cannot give Nightshift to %I, of which it is not a member', current_user, owner),
      detail = 'Nothing was changed.',
      hint = format('grant %I to %I;', owner, current_user);
  end if;
  if exists (select from nightshift.schedules) then
    raise exception using
      errcode = 'NS422',
      message = format('pg_cron starts the schedules with the rights of %I', current_user),
      detail = 'Nothing was changed.',
      hint = format('select nightshift.unschedule_with_cron(); and schedule again as %I.', owner);
  end if;
  may_create := has_database_privilege(owner, database, 'create');
  -- Postgres asks for that right at this moment only.
  if not may_create then
    execute format('grant create on database %I to %I', database, owner);
  end if;
  execute format('alter schema nightshift owner to %I', owner);
  if not may_create then
    execute format('revoke create on database %I from %I', database, owner);
  end if;
  perform nightshift.settle_owner();
end;
$$;

comment on function nightshift.hand_over is
  'Makes another role the owner of Nightshift: the one that owns the tables of the application. Whoever calls must own it now and be a member of that role. Policies, the ledger and who may call what stay as they are. Later migrations are applied as before: what they add is given to it, too. Errors: NS404 no such role, NS422 no member of it, with the statement that makes one, or there are schedules of pg_cron, which belong to whoever made them.';
