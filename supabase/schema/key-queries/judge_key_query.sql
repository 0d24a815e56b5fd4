-- Whether a time is another than usual. One slow night is noise, and so is a change of 5 ms, however many times that is.

create or replace function nightshift.judge_key_query(usual nightshift.usual_time, min_ms numeric, plan text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case
    -- Of fewer nobody knows what is usual.
    when usual.times is null or usual.times < 5 or min_ms is null then null
    when abs(min_ms - usual.ms) < 20 or abs(min_ms - usual.ms) <= 4 * usual.spread_ms then 'usual'
    when min_ms > 3 * usual.ms or min_ms >= 1.5 * usual.ms and plan is distinct from usual.plan then 'slower'
    when min_ms < usual.ms / 3 then 'faster'
    else 'usual'
  end;
$$;

comment on function nightshift.judge_key_query is
  'slower: the fastest of a few runs took more than three times what is usual, or at least one and a half times with another plan. faster: less than a third. Both only by 20 ms or more, and by more than four times the median deviation of the usual times. Else usual; null while fewer than five times are known.';
