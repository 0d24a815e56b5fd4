create or replace function nightshift.encrypt_deletion_events(secret_name text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  problem record;
begin
  if secret_name is not null then
    problem := nightshift.why_not_sealed(secret_name);
    if problem.message is not null then
      raise exception using
        errcode = 'NS422',
        message = problem.message,
        detail = 'Nothing was changed.',
        hint = problem.hint;
    end if;
  end if;
  update nightshift.settings set history_secret = secret_name where singleton;
end;
$$;

comment on function nightshift.encrypt_deletion_events is
  'Encrypts keys and reasons in the history of deletions from now on, with a secret of Supabase Vault that is named, at least 32 characters long; null ends it. Another name later changes the secret: each entry keeps the name of its own, so keep the old one as long as its entries are to be read. For the owner of Nightshift. Errors, nothing changed: NS422 with the fix.';
