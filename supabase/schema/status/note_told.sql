create or replace function nightshift.note_told(trouble_ids bigint[])
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  update nightshift.troubles t
  set told_at = coalesce(t.told_at, now()), claimed_until = null,
    -- One that ended since it was claimed has its end still to be told.
    end_told_at = case when t.ended_at <= t.claimed_until - interval '1 minute' then now() end
  where t.id = any(trouble_ids) and t.claimed_until is not null;
$$;

comment on function nightshift.note_told is
  'Notes that people were told what take_troubles returned, by the ids of it. Repeating it changes nothing.';
