create or replace function nightshift.http_answer(request bigint, since timestamptz, out status integer, out content text, out problem text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if request is not null and to_regclass('net._http_response') is not null then
    execute format('select r.status_code, r.content, r.error_msg from %s r where r.id = $1 and r.created >= $2 order by r.created desc limit 1',
      nightshift.trusted_name('net._http_response'))
    into status, content, problem using request, since;
  end if;
end;
$$;

comment on function nightshift.http_answer is
  'What pg_net knows of the answer to a request, which it forgets after some hours and at a crash: all null when there is none. since: when it was sent, for after a crash numbers come again.';
