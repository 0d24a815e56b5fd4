create or replace function nightshift.verdict_in_words(
  verdict text,
  residue bigint,
  is_exact boolean,
  stays bigint,
  rows_per_night bigint,
  purged bigint,
  kept bigint,
  -- Why nothing goes.
  cause text,
  -- Why the last run left something.
  reason text
)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case verdict
    when 'off' then 'Its policy is switched off.'
    when 'kept' then concat_ws(' ', 'Kept: nothing is left that is due.',
      case when kept > 0 then format('%s stay, as the policy says.', nightshift.rows_in_words(kept)) end)
    when 'held' then concat_ws(' ', format('%s%s past their time and stay:', w.about, nightshift.rows_in_words(residue) || ' are'),
      coalesce(reason || '.', 'others need them.'))
    when 'behind' then concat_ws(' ', format('Behind by %s%s%s.', w.about, nightshift.rows_in_words(residue - stays), case
        when rows_per_night > 0 then format(', done in about %s', case ceil((residue - stays)::numeric / rows_per_night)
          when 1 then 'a night' else ceil((residue - stays)::numeric / rows_per_night) || ' nights' end)
        when rows_per_night < 0 then format(', and by %s more each night', nightshift.rows_in_words(-rows_per_night))
        when rows_per_night = 0 then ', as many as the nights before'
      end),
      case when purged = 0 then format('The last run took none: %s.', coalesce(reason, 'it does not say why'))
        when rows_per_night is null then format('The last run took %s.', nightshift.rows_in_words(purged)) end,
      case when stays > 0 then format('%s more stay for now.', nightshift.rows_in_words(stays)) end)
    when 'stalled' then concat_ws(' ', 'Stalled.',
      coalesce(cause, 'No run takes any' || coalesce(': ' || reason, '') || '.'),
      case when residue > 0 then format('%s%s due.', w.about, nightshift.rows_in_words(residue) || ' are')
        when residue is null then 'What is due has not been counted.' end)
    else concat_ws(' ', 'Not known:', coalesce(cause, case when reason is null then 'what is left could not be counted.' else reason || '.' end))
  end
  from (select case when is_exact then '' else 'about ' end) w(about);
$$;

comment on function nightshift.verdict_in_words is
  'Whether what a retention policy promises is kept, in one or two sentences: see nightshift.status_retention.';
