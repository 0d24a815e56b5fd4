create or replace function nightshift.why_not_sealed(secret_name text, out message text, out hint text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  tried record;
  is_short boolean;
begin
  tried := nightshift.use_secret('encrypt', '{}', secret_name);
  if tried.failure in ('NS404', 'NS422') then
    message := tried.message;
    hint := tried.hint;
  elsif tried.failure = '42501' then
    message := format('%I may not read the secrets of Vault', current_user);
    hint := format('grant usage on schema vault to %1$I; grant select on vault.decrypted_secrets to %1$I;', current_user);
  elsif tried.failure is not null then
    message := format('The secret %L cannot be used to encrypt (%s)', secret_name, tried.failure);
    hint := 'Look whether Vault gives it out: select name, length(decrypted_secret) from vault.decrypted_secrets;';
  elsif tried.result is null then
    message := format('There is no secret %L in Vault', secret_name);
    hint := format('select vault.create_secret(encode(extensions.gen_random_bytes(32), ''hex''), %L);', secret_name);
  else
    execute format('select length(%s) < 32', format(nightshift.history_secret(), '$1')) into is_short using secret_name;
    if is_short then
      message := format('The secret %L is shorter than 32 characters', secret_name);
      hint := 'One that can be guessed protects nothing: select vault.create_secret(encode(extensions.gen_random_bytes(32), ''hex''), <another name>);';
    end if;
  end if;
end;
$$;

comment on function nightshift.why_not_sealed is
  'What keeps the history from being encrypted with a secret of Vault, in words, with the fix; nulls for nothing.';
