create or replace function nightshift.note_answer(schedule nightshift.schedules)
returns nightshift.schedules
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  answer record;
begin
  answer := nightshift.http_answer(schedule.request, schedule.posted_at);
  if answer.status is null and answer.problem is null then
    return schedule;
  end if;
  schedule.request := null;
  schedule.answer := case
    when answer.status is null then answer.problem
    -- With our own nonce used, another answer to the same wake says nothing.
    when answer.status between 200 and 299 or answer.status = 421 and schedule.nonce is null then answer.status::text
    else concat_ws(' ', answer.status, left(answer.content, 300))
  end;
  update nightshift.schedules s set request = null, answer = schedule.answer where s.name = schedule.name;
  if schedule.nonce is not null and answer.status = 421 and answer.content like '%"NS421"%' then
    update nightshift.home h set refused_at = now();
  end if;
  return schedule;
end;
$$;

comment on function nightshift.note_answer is 'Writes down what pg_net knows of the answer to the last wake of a schedule, and returns the row.';
