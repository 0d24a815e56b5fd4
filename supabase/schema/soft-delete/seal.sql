-- The secret is no password that somebody thought of, so it is not stretched (s2k-mode), which would take two milliseconds an entry.

create or replace function nightshift.seal(content jsonb, secret_name text)
returns bytea
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  sealed bytea;
begin
  execute format('select %s($1, %s, ''cipher-algo=aes256, s2k-mode=1''::text)',
    nightshift.extension_function('pgcrypto', 'pgp_sym_encrypt', 'text, text, text'), format(nightshift.history_secret(), '$2'))
  into sealed using content::text, secret_name;
  return sealed;
end;
$$;

comment on function nightshift.seal is
  'Encrypts content with a secret of Vault; null when there is no secret of that name. Errors: those of extension_function and history_secret, 42501 the owner may not read it, and what Vault raises.';
