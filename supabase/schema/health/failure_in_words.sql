create or replace function nightshift.failure_in_words(state text, said text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when state = '57014' then 'It was stopped: it took too long, or someone cancelled it.'
    when state = '55P03' then 'Another session holds a lock on what it reads.'
    when state = '42501' then format('%I may not read what it needs.', current_user)
    when state like 'NS%' then said
    else format('It failed with %s; the Postgres log has the message.', state)
  end;
$$;

comment on function nightshift.failure_in_words is
  'Why a look at the database failed, by its SQLSTATE, without what Postgres says of rows; said: the message of Nightshift, for its own codes.';
