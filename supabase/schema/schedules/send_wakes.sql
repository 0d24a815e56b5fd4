-- pg_net delivers at most once, after the commit, and forgets the answers: so this posts again until a run is there.

create or replace function nightshift.send_wakes()
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  home nightshift.home;
  schedule nightshift.schedules;
  work jsonb;
  woken text[] := '{}';
begin
  update nightshift.home h set ticked_at = now()
  from (select from nightshift.home o where o.ticked_at < now() - interval '5 minutes' for update skip locked) free;
  select h.* into home from nightshift.home h;
  for schedule in select s.* from nightshift.schedules s order by s.due_at desc nulls last, s.name for update skip locked loop
    schedule := nightshift.note_answer(schedule);
    work := nightshift.work_due(schedule);
    continue when work is null or schedule.job = any(woken);
    if schedule.woken_for = work ->> 'key' then
      -- One minute later, then two, four and so on, for as long as work_due has it. A refusal will not change.
      continue when schedule.answer like '421 %'
        or now() < schedule.posted_at + interval '50 seconds' * 2 ^ (schedule.posts - 1);
    else
      schedule.posts := 0;
    end if;
    schedule.nonce := gen_random_uuid();
    schedule.request := nightshift.http_post(
      format('%s/functions/v1/nightshift-%s/jobs/%2$s/wakes', home.project_url, schedule.job),
      jsonb_build_object('nonce', schedule.nonce));
    update nightshift.schedules s
    set nonce = schedule.nonce, woken_for = work ->> 'key', posts = schedule.posts + 1, posted_at = now(),
      request = schedule.request, answer = null
    where s.name = schedule.name;
    woken := woken || schedule.job;
  end loop;
  return cardinality(woken);
end;
$$;

comment on function nightshift.send_wakes is
  'Wakes the Edge Functions that have work to do: whose schedule is due, or whose run waits to be continued, while no run of their job is under way. pg_cron calls it every minute, and a function that has left work over. For the same work each is woken again after pauses that double. Returns how many were woken. Errors: NS404 pg_net is not there, NS422.';
