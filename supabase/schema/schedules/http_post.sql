create or replace function nightshift.http_post(url text, body jsonb)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  request bigint;
begin
  -- A function that has to be booted answers within a second or two. The default has changed from release to release.
  execute format('select %s(url => $1, body => $2, timeout_milliseconds => 15000)',
    nightshift.extension_function('pg_net', 'http_post', 'text, jsonb, jsonb, jsonb, integer'))
  into request using url, body;
  return request;
exception
  when insufficient_privilege then
    raise exception using
      errcode = 'NS422',
      message = format('%I may not use pg_net', current_user),
      detail = 'Nothing was sent.',
      hint = format('grant usage on schema net to %I;', current_user);
end;
$$;

comment on function nightshift.http_post is
  'Has pg_net send JSON once the transaction has committed, at most once, and returns its number. Every role that can log in can read url and body until then: so they must hold nothing that opens anything. Errors: NS404 pg_net is not there, NS422 a right that the owner lacks.';
