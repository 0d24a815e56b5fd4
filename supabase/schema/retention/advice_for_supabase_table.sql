-- What to do instead for tables that Supabase keeps for itself: each has a way of its own.

create or replace function nightshift.advice_for_supabase_table(relation regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case
      when o.name = 'storage.objects' then
        'Remove files through the Storage API, for example supabase.storage.from(''bucket'').remove([...]): it refuses a plain delete, and a row that goes leaves its file behind. Keep deleted_at in a table of your own, beside the path of the file.'
      when o.name = 'auth.users' then
        'Delete users through the Auth API: supabase.auth.admin.deleteUser(id). Keep deleted_at in a table of your own that refers to auth.users.'
      when o.name = 'auth.audit_log_entries' then
        'Auth need not write it: Dashboard, Authentication, Audit Logs. To trim it: select cron.schedule(''trim-auth-audit-log'', ''15 3 * * *'', $delete$delete from auth.audit_log_entries where created_at < now() - interval ''90 days''$delete$);'
      when o.schema = 'auth' then
        'Auth removes what has expired itself. How long sessions last: Dashboard, Authentication, Sessions.'
      when o.name = 'cron.job_run_details' then
        'pg_cron trims it, where it is told to: select cron.schedule(''trim-cron-history'', ''0 3 * * *'', $delete$delete from cron.job_run_details where end_time < now() - interval ''7 days''$delete$);'
      when o.schema = 'net' then
        'pg_net removes answers itself, after pg_net.ttl (6 hours by default).'
      when o.schema = 'realtime' then
        'Realtime drops the partitions of messages itself, after three days.'
      when o.name = 'supabase_functions.hooks' then
        'select cron.schedule(''trim-hooks'', ''30 3 * * *'', $delete$delete from supabase_functions.hooks where created_at < now() - interval ''30 days''$delete$);'
      else 'Leave it alone, or copy what you need of it into a table of your own.'
    end
    from (
      select n.nspname as schema, format('%s.%s', n.nspname, c.relname) as name
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.oid = advice_for_supabase_table.relation
        and (
          pg_get_userbyid(c.relowner) like 'supabase\_%'
          or exists (
            select 1 from pg_catalog.pg_depend d
            where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
          )
        )
    ) o
  );
end;
$$;

comment on function nightshift.advice_for_supabase_table is
  'How the rows of a table that belongs to Supabase or to an extension are removed instead; null for a table of the application.';
