-- Only a superuser, or who was granted pg_ls_dir, can list the files; asked for in a statement of its own, since Postgres checks
-- that right before it runs one.

create or replace function nightshift.multixact_members()
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not has_function_privilege('pg_ls_dir(text)', 'EXECUTE') then
    return null;
  end if;
  -- A page of 8 kB holds 409 groups of four, and a file 32 pages.
  return (select 52352 * count(*) from pg_ls_dir('pg_multixact/members') f(name));
end;
$$;

comment on function nightshift.multixact_members is
  'About how many members of multixacts the server keeps, by the files that hold them; null where they cannot be listed.';
