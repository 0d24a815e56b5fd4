-- Whatever is wrong with the secret, Vault or pgcrypto is an answer here, and no error: a deletion must not fail for it.
-- The secret is no password that somebody thought of, so it is not stretched (s2k-mode), which would take two milliseconds an entry.

create or replace function nightshift.use_secret(
  action text, content bytea, secret_name text, out result bytea, out failure text, out message text, out hint text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if action = 'encrypt' then
    execute format('select %s($1, %s, ''cipher-algo=aes256, s2k-mode=1''::text)',
      nightshift.extension_function('pgcrypto', 'pgp_sym_encrypt_bytea', 'bytea, text, text'), format(nightshift.history_secret(), '$2'))
    into result using content, secret_name;
  else
    execute format('select %s($1, %s)',
      nightshift.extension_function('pgcrypto', 'pgp_sym_decrypt_bytea', 'bytea, text'), format(nightshift.history_secret(), '$2'))
    into result using content, secret_name;
  end if;
exception
  when sqlstate 'NS404' or sqlstate 'NS422' or syntax_error_or_access_rule_violation or data_exception or external_routine_exception or external_routine_invocation_exception
    or cardinality_violation or feature_not_supported or object_not_in_prerequisite_state or plpgsql_error or internal_error
  then
    get stacked diagnostics failure = returned_sqlstate, message = message_text, hint = pg_exception_hint;
end;
$$;

comment on function nightshift.use_secret is
  'Encrypts or decrypts (action) content with a secret of Vault. result is null when there is no secret of that name, or for a failure: its SQLSTATE, with message and hint, as of extension_function and history_secret, 42501 where the owner may not read it, or what Vault raises.';
