create or replace function nightshift.set_webhook(url text)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if url !~ '^https?://[^/[:space:]]' then
    raise exception using
      errcode = 'NS422',
      message = 'The webhook needs a URL',
      detail = 'Nothing was changed.',
      hint = 'Give the one that takes JSON with a member text, such as an incoming webhook of Slack; null for none.';
  end if;
  update nightshift.home h set webhook_url = set_webhook.url, told = null, told_at = null, told_request = null;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = 'There are no schedules whose trouble could be told',
      detail = 'Nothing was changed.',
      hint = 'First: select nightshift.schedule_with_cron(''https://abcd.supabase.co'');';
  end if;
  if url is not null then
    perform nightshift.http_post(url, jsonb_build_object('text',
      (select format('Nightshift of %s will tell here what is critical.', h.project_url) from nightshift.home h)));
  end if;
end;
$$;

comment on function nightshift.set_webhook is
  'Where nightshift.watch posts what is critical, as {"text": ...}; it says so there at once. null: nowhere. For the owner of Nightshift, who alone can read it afterwards; while a message waits to be sent, every role that can log in can read it in net.http_request_queue. Errors, nothing changed: NS404, NS422.';
