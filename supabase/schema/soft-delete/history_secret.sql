create or replace function nightshift.history_secret()
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if to_regclass('vault.decrypted_secrets') is null then
    raise exception using
      errcode = 'NS404',
      message = 'There is no Vault',
      hint = 'create extension supabase_vault with schema vault; or, elsewhere, a view vault.decrypted_secrets (name, decrypted_secret).';
  end if;
  return format('(select v.decrypted_secret::text from %s v where v.name::text operator(pg_catalog.=) %%s)',
    nightshift.trusted_name('vault.decrypted_secrets'));
end;
$$;

comment on function nightshift.history_secret is
  'The SQL that reads a secret of Vault, with %s for its name. Read within the statement that uses it, a secret is in no text, parameter or variable, and so in no log. Errors: NS404 no Vault, NS422 it belongs to somebody else.';
