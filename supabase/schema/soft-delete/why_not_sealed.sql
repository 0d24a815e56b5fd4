create or replace function nightshift.why_not_sealed(secret_name text, out message text, out hint text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  sealed bytea;
  is_short boolean;
begin
  sealed := nightshift.seal('{}', secret_name);
  if sealed is null then
    message := format('There is no secret %L in Vault', secret_name);
    hint := format('select vault.create_secret(encode(extensions.gen_random_bytes(32), ''hex''), %L);', secret_name);
    return;
  end if;
  execute format('select length(%s) < 32', format(nightshift.history_secret(), '$1')) into is_short using secret_name;
  if is_short then
    message := format('The secret %L is shorter than 32 characters', secret_name);
    hint := 'One that can be guessed protects nothing: select vault.create_secret(encode(extensions.gen_random_bytes(32), ''hex''), <another name>);';
  end if;
exception
  when sqlstate 'NS404' or sqlstate 'NS422' then
    get stacked diagnostics message = message_text, hint = pg_exception_hint;
  when insufficient_privilege then
    message := format('%I may not read the secrets of Vault', current_user);
    hint := format('grant usage on schema vault to %1$I; grant select on vault.decrypted_secrets to %1$I;', current_user);
  when syntax_error_or_access_rule_violation or data_exception or external_routine_exception or external_routine_invocation_exception
    or cardinality_violation or feature_not_supported or object_not_in_prerequisite_state or plpgsql_error or internal_error
  then
    message := format('The secret %L cannot be used to encrypt (%s)', secret_name, sqlstate);
    hint := 'Look whether Vault gives it out: select name, length(decrypted_secret) from vault.decrypted_secrets;';
end;
$$;

comment on function nightshift.why_not_sealed is
  'What keeps the history from being encrypted with a secret of Vault, in words, with the fix; nulls for nothing.';
