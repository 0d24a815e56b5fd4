-- A function tells people what is wrong: what has begun, and what is over, each once.
-- Locks: rows of nightshift.troubles, until the transaction ends.

create or replace function nightshift.take_troubles()
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set statement_timeout = '3s'
set lock_timeout = '500ms'
as $$
declare
  present text[];
  news jsonb;
begin
  -- While functions tell, nightshift.watch need not. What nobody takes from them for an hour, they do not tell.
  update nightshift.home h set functions_tell_at = now()
  where (h.functions_tell_at is null or h.functions_tell_at < now() - interval '5 minutes')
    and not exists (
      select from nightshift.troubles t
      where t.told_at is null and t.began_at < now() - interval '1 hour' and (t.gone_at is null or t.ended_at is not null)
    );

  insert into nightshift.troubles (key, kind, subject, text, checks)
  select t.key, t.kind, t.subject, t.text, t.checks from nightshift.current_troubles(now()) t
  where t.opens
  on conflict do nothing;
  present := array(select t.key from nightshift.current_troubles(now()) t);
  -- What nobody was told of is over without a word.
  delete from nightshift.troubles t
  where t.told_at is null and t.claimed_until is null and t.key <> all(present) or t.ended_at < now() - interval '90 days';
  -- A value about its threshold comes and goes. So what checks found is over when they still do not find it a quarter of an hour later,
  -- or at their next look if that is later; what is back by then was never gone.
  update nightshift.troubles t set gone_at = null where t.ended_at is null and t.gone_at is not null and t.key = any(present);
  update nightshift.troubles t
  set gone_at = coalesce(t.gone_at, look.newest),
    ended_at = case when t.checks is null or look.oldest >= t.gone_at + interval '15 minutes' then now() end
  from nightshift.troubles o
  cross join lateral (
    select coalesce(max(r.checked_at), now()) as newest, coalesce(min(r.checked_at), now()) as oldest
    from nightshift.health_results r
    where r.check_name = any(o.checks)
  ) look
  where o.id = t.id and t.ended_at is null and t.key <> all(present);

  with due as (
    select t.id from nightshift.troubles t
    where (t.told_at is null and t.gone_at is null or t.ended_at is not null and t.end_told_at is null)
      and (t.claimed_until is null or t.claimed_until < now())
    order by t.id
    limit 50
    for update skip locked
  ),
  claimed as (
    update nightshift.troubles t set claimed_until = now() + interval '1 minute'
    from due
    where t.id = due.id
    returning t.id, t.ended_at, jsonb_build_object(
      'id', t.id, 'kind', t.kind, 'subject', t.subject, 'text', t.text, 'beganAt', t.began_at, 'endedAt', case when t.ended_at is not null then coalesce(t.gone_at, t.ended_at) end
    ) as document
  )
  select jsonb_build_object(
    'began', coalesce(jsonb_agg(c.document order by c.id) filter (where c.ended_at is null), '[]'),
    'ended', coalesce(jsonb_agg(c.document order by c.id) filter (where c.ended_at is not null), '[]')
  )
  into news
  from claimed c;
  return news;
end;
$$;

comment on function nightshift.take_troubles is
  'What there is to tell people now: {began: [{id, kind, subject, text, beganAt, endedAt}], ended: the same}, at most 50. It is the caller''s for a minute, and comes again after that unless note_told says that it was told.';
